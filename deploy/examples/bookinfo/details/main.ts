// Bookinfo's service `details`: what is known of a book. Environment in (POD_IP, PORT).
import { serveJson } from '../../shared/json-service-process.ts';

const book = { author: 'William Shakespeare', year: 1595, type: 'paperback', pages: 200, language: 'English' };

serveJson({
  name: 'details',
  host: process.env['POD_IP'] ?? '127.0.0.1',
  port: Number(process.env['PORT'] || '9080'),
  answer({ path }) {
    const [, id] = /^\/details\/(\w{1,20})$/.exec(path) ?? [];
    return id === undefined ? { status: 404, body: { error: `no ${path}` } } : { status: 200, body: { id, ...book } };
  },
});
