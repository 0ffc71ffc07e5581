// How metrics are scraped (ztunnel.md §10): `/metrics` and `/stats/prometheus`, by any method, packed where the scraper
// takes gzip. In: what writes the exposition. Out: routes.
import { Readable } from 'node:stream';
import { constants, createGzip } from 'node:zlib';
import type { HttpRequest, HttpResponse, Route } from './http-route.ts';

/** @param accept the request's Accept header */
export type ExpositionSource = (accept: string | undefined) => {
  readonly contentType: string;
  readonly slices: AsyncIterable<string>;
};

export function metricsRoutes(exposition: ExpositionSource): readonly Route[] {
  const handle = (request: HttpRequest) => scrape(exposition, request);
  return [
    { method: 'any', path: '/metrics', handle },
    { method: 'any', path: '/stats/prometheus', handle },
  ];
}

function scrape(exposition: ExpositionSource, { headers }: HttpRequest): HttpResponse {
  const { contentType, slices } = exposition(headers.accept);
  const plain = { 'content-type': contentType, vary: 'accept, accept-encoding' };
  if (!acceptsGzip(headers['accept-encoding'])) return { status: 200, headers: plain, body: slices };
  return { status: 200, headers: { ...plain, 'content-encoding': 'gzip' }, body: pack(slices) };
}

/** Packed fast rather than small: label names repeat, and somebody waits. */
function pack(slices: AsyncIterable<string>): AsyncIterable<Uint8Array> {
  const source = Readable.from(slices);
  const packed = createGzip({ level: constants.Z_BEST_SPEED });
  source.on('error', (error) => packed.destroy(error));
  packed.on('close', () => source.destroy());
  return source.pipe(packed);
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
