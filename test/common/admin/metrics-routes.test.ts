import { gunzipSync } from 'node:zlib';
import t from 'tap';
import type { HttpResponse } from '../../../common/admin/http-route.ts';
import { acceptsGzip, metricsRoutes } from '../../../common/admin/metrics-routes.ts';

const routes = metricsRoutes(async (accept) => ({ contentType: `for ${accept}`, body: 'up 1\n' }));

t.test('metrics are at both paths, by any method', async (t) => {
  t.same(
    routes.map(({ method, path }) => [method, path]),
    [
      ['any', '/metrics'],
      ['any', '/stats/prometheus'],
    ],
  );
});

t.test('the writer gets the Accept header and names the content type', async (t) => {
  t.match(await scrape({ accept: 'text/plain' }), {
    status: 200,
    headers: { 'content-type': 'for text/plain' },
    body: 'up 1\n',
  });
});

t.test('they are packed for who takes gzip', async (t) => {
  const { body, headers } = await scrape({ 'accept-encoding': 'gzip' });
  t.match(headers, { 'content-encoding': 'gzip' });
  t.equal(gunzipSync(body).toString(), 'up 1\n');
});

t.test('gzip is taken when it is named or meant, with a weight', async (t) => {
  for (const yes of ['gzip', 'br, GZIP;q=0.5', '*', 'deflate;q=1, gzip']) t.equal(acceptsGzip(yes), true, yes);
  for (const no of [undefined, '', 'br', 'gzip;q=0', '*;q=0', 'gzip;q=0, *', 'gzip;q=x'])
    t.equal(acceptsGzip(no), false, String(no));
});

async function scrape(headers: Record<string, string>): Promise<HttpResponse> {
  const [route] = routes;
  if (route === undefined) throw new Error('no route');
  return route.handle({ method: 'GET', path: '/metrics', query: new URLSearchParams(), headers });
}
