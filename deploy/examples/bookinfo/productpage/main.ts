// Bookinfo's front page: asks details and reviews, and puts their answers together. Environment in (POD_IP, PORT, http_proxy).
import { createJsonClient } from '../../shared/json-client.ts';
import { serveJson } from '../../shared/json-service-process.ts';

const getJson = createJsonClient(process.env['http_proxy']);

serveJson({
  name: 'productpage',
  host: process.env['POD_IP'] ?? '127.0.0.1',
  port: Number(process.env['PORT'] || '9080'),
  async answer({ path, headers }) {
    if (path !== '/productpage') return { status: 404, body: { error: `no ${path}` } };
    const [details, reviews] = await Promise.all([
      getJson('http://details:9080/details/0', headers),
      getJson('http://reviews:9080/reviews/0', headers),
    ]);
    return { status: 200, body: { title: 'The Comedy of Errors', details, reviews } };
  },
});
