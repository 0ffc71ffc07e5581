// Bookinfo's service `reviews`: two opinions of a book; v2 shows ratings as black stars, v3 as red ones, v1 none. Environment in (POD_IP, PORT,
// http_proxy), the version as argument.
import { createJsonClient } from '../../shared/json-client.ts';
import { serveJson } from '../../shared/json-service-process.ts';

const version = process.argv[2] ?? 'v1';
const colors: Readonly<Record<string, string>> = { v2: 'black', v3: 'red' };
const color = colors[version];
const getJson = createJsonClient(process.env['http_proxy']);

serveJson({
  name: `reviews ${version}`,
  host: process.env['POD_IP'] ?? '127.0.0.1',
  port: Number(process.env['PORT'] || '9080'),
  async answer({ path, headers }) {
    const [, id] = /^\/reviews\/(\w{1,20})$/.exec(path) ?? [];
    if (id === undefined) return { status: 404, body: { error: `no ${path}` } };
    const texts = { Reviewer1: 'An extremely entertaining play.', Reviewer2: 'Absolutely fun, but thin on plot.' };
    if (color === undefined) return { status: 200, body: { id, version, reviews: texts } };
    const ratings = await getJson(`http://ratings:9080/ratings/${id}`, headers);
    return { status: 200, body: { id, version, color, reviews: texts, ratings } };
  },
});
