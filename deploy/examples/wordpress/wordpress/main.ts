// A stand-in for WordPress: each page reads its posts from a MySQL database over a connection of its own, as PHP does. Environment in (POD_IP, PORT,
// WORDPRESS_DB_*, http_proxy), the version as argument. /connections tells what its connections to the database have carried.
import { createConnection } from 'mariadb';
import { openDatabaseWay } from '../../shared/database-way-server.ts';
import { serveJson } from '../../shared/json-service-process.ts';

const version = process.argv[2] ?? 'v1';
const [host = 'localhost', port = '3306'] = (process.env['WORDPRESS_DB_HOST'] ?? '').split(':');
const longestMs = 4_000;
const way = await openDatabaseWay({ host, port: Number(port), proxy: process.env['http_proxy'] });
const user = process.env['WORDPRESS_DB_USER'] ?? 'wordpress';
const database = process.env['WORDPRESS_DB_NAME'] ?? 'wordpress';

async function readPosts(): Promise<unknown> {
  const password = process.env['WORDPRESS_DB_PASSWORD'] ?? '';
  const connection = await createConnection({
    host: '127.0.0.1',
    port: way.port,
    user,
    password,
    database,
    connectTimeout: longestMs,
  });
  try {
    return await connection.query('SELECT id, title FROM posts ORDER BY id');
  } finally {
    await connection.end();
  }
}

serveJson({
  name: `wordpress ${version}`,
  host: process.env['POD_IP'] ?? '127.0.0.1',
  port: Number(process.env['PORT'] || '8080'),
  async answer({ path }) {
    if (path === '/connections') return { status: 200, body: way.tally() };
    if (path !== '/') return { status: 404, body: { error: `no ${path}` } };
    return { status: 200, body: { version, posts: await readPosts() } };
  },
});
