// What a small HTTP server answers, as data: routes of method and path, and which one a request meets. Pure.
import type { IncomingHttpHeaders } from 'node:http';

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
}

export interface HttpResponse {
  readonly status: number;
  /** Default content type: `text/plain; charset=utf-8`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Pieces are sent as they come, for as long as the client reads. */
  readonly body: string | Uint8Array | AsyncIterable<string | Uint8Array>;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'any';
  readonly path: string;
  /** An error thrown here is answered with status 500. */
  handle(request: HttpRequest): HttpResponse | Promise<HttpResponse>;
}

export type RouteMatch =
  | { readonly kind: 'found'; readonly route: Route }
  | { readonly kind: 'method-not-allowed'; readonly allowed: readonly string[] }
  | { readonly kind: 'not-found' };

export function findRoute(routes: readonly Route[], method: string, path: string): RouteMatch {
  const here = routes.filter((route) => route.path === path);
  // HEAD is GET without the body, which the server leaves out by itself.
  const wanted = method === 'HEAD' ? 'GET' : method;
  const route = here.find((candidate) => candidate.method === wanted || candidate.method === 'any');
  if (route !== undefined) return { kind: 'found', route };
  if (here.length === 0) return { kind: 'not-found' };
  return { kind: 'method-not-allowed', allowed: here.map((candidate) => candidate.method) };
}
