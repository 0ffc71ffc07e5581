// How metrics are scraped (ztunnel.md §10): `/metrics` and `/stats/prometheus`, by any method, packed where the scraper
// takes gzip. In: what writes the exposition. Out: routes.
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { HttpRequest, HttpResponse, Route } from './http-route.ts';

/** @param accept the request's Accept header */
export type ExpositionSource = (
  accept: string | undefined,
) => Promise<{ readonly contentType: string; readonly body: string }>;

const pack = promisify(gzip);

export function metricsRoutes(exposition: ExpositionSource): readonly Route[] {
  const handle = (request: HttpRequest) => scrape(exposition, request);
  return [
    { method: 'any', path: '/metrics', handle },
    { method: 'any', path: '/stats/prometheus', handle },
  ];
}

async function scrape(exposition: ExpositionSource, { headers }: HttpRequest): Promise<HttpResponse> {
  const { contentType, body } = await exposition(headers.accept);
  const plain = { 'content-type': contentType, vary: 'accept, accept-encoding' };
  if (!acceptsGzip(headers['accept-encoding'])) return { status: 200, headers: plain, body };
  return { status: 200, headers: { ...plain, 'content-encoding': 'gzip' }, body: await pack(body) };
}

/** RFC 9110 §12.5.3: a coding is taken when it is named, or meant by `*`, with a weight that is not zero. */
export function acceptsGzip(acceptEncoding: string | string[] | undefined): boolean {
  const weights = new Map<string, number>();
  for (const item of String(acceptEncoding ?? '')
    .toLowerCase()
    .split(',')) {
    const [coding = '', ...parameters] = item.split(';').map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    weights.set(coding, weight === undefined ? 1 : Number.parseFloat(weight) || 0);
  }
  return (weights.get('gzip') ?? weights.get('*') ?? 0) > 0;
}
