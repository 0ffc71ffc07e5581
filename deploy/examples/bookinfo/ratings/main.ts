// Bookinfo's service `ratings`: stars for a book, v1 out of its head, v2 out of MongoDB (MONGO_DB_URL). Environment in (POD_IP, PORT, http_proxy
// too). /connections tells what v2's own connections to the database have carried: compare it with the mesh's istio_tcp_* metrics.
import { MongoClient } from 'mongodb';
import { openDatabaseWay } from '../../shared/database-way-server.ts';
import { serveJson } from '../../shared/json-service-process.ts';

const databaseUrl = process.env['MONGO_DB_URL'];
/** Sooner than whoever asks gives up. */
const longestMs = 2_000;
const database = databaseUrl === undefined ? undefined : new URL(databaseUrl);
const way =
  database &&
  (await openDatabaseWay({
    host: database.hostname,
    port: Number(database.port || '27017'),
    proxy: process.env['http_proxy'],
  }));

async function readStars(): Promise<readonly number[]> {
  if (database === undefined || way === undefined) return [5, 4];
  // A client for each request, as in Istio's sample: each request is then a connection to be seen.
  const client = new MongoClient(`mongodb://127.0.0.1:${way.port}${database.pathname}`, {
    directConnection: true,
    serverSelectionTimeoutMS: longestMs,
    // Heartbeats that wait at the server would be cut off by closing.
    serverMonitoringMode: 'poll',
  });
  try {
    const ratings = await client.db().collection('ratings').find().toArray();
    return ratings.map(({ rating }) => Number(rating));
  } finally {
    await client.close();
  }
}

serveJson({
  name: databaseUrl === undefined ? 'ratings v1' : `ratings v2, from ${databaseUrl}`,
  host: process.env['POD_IP'] ?? '127.0.0.1',
  port: Number(process.env['PORT'] || '9080'),
  async answer({ path }) {
    if (path === '/connections') return { status: 200, body: way?.tally() ?? {} };
    const [, id] = /^\/ratings\/(\w{1,20})$/.exec(path) ?? [];
    if (id === undefined) return { status: 404, body: { error: `no ${path}` } };
    const stars = await readStars();
    return { status: 200, body: { id, ratings: { Reviewer1: stars[0], Reviewer2: stars[1] } } };
  },
});
