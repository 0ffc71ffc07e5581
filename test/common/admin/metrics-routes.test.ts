import { gunzipSync } from 'node:zlib';
import t from 'tap';
import type { HttpResponse } from '../../../common/admin/http-route.ts';
import { acceptsGzip, metricsRoutes } from '../../../common/admin/metrics-routes.ts';

const routes = metricsRoutes((accept) => ({ contentType: `for ${accept}`, slices: pieces('up', ' 1\n') }));

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
  const { status, headers, body } = await scrape({ accept: 'text/plain' });
  t.equal(status, 200);
  t.match(headers, { 'content-type': 'for text/plain' });
  t.equal((await wholeOf(body)).toString(), 'up 1\n');
});

t.test('they are packed for who takes gzip', async (t) => {
  const { body, headers } = await scrape({ 'accept-encoding': 'gzip' });
  t.match(headers, { 'content-encoding': 'gzip' });
  t.equal(gunzipSync(await wholeOf(body)).toString(), 'up 1\n');
});

t.test('a scraper that goes away while they are packed ends the writing', async (t) => {
  const ended = Promise.withResolvers<void>();
  async function* endless(): AsyncGenerator<string> {
    try {
      for (;;) yield String(Math.random()).repeat(1_000);
    } finally {
      ended.resolve();
    }
  }
  const [route] = metricsRoutes(() => ({ contentType: 'text/plain', slices: endless() }));
  const request = { method: 'GET', path: '/metrics', query: new URLSearchParams() };
  const answer = await route?.handle({ ...request, headers: { 'accept-encoding': 'gzip' } });
  const body = answer?.body ?? '';
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    for await (const piece of body) {
      t.ok(piece.length > 0);
      break;
    }
  }
  await ended.promise;
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

async function* pieces(...texts: string[]): AsyncGenerator<string> {
  yield* texts;
}

async function wholeOf(body: HttpResponse['body']): Promise<Buffer> {
  if (typeof body === 'string' || body instanceof Uint8Array) return Buffer.from(body);
  const chunks: Buffer[] = [];
  for await (const piece of body) chunks.push(Buffer.from(piece));
  return Buffer.concat(chunks);
}
