// A small HTTP/1.1 server for admin, readiness and metrics: routes as data in, answers out. Its limits are ztunnel's
// (ztunnel.md §1): 2 s for the header, 8 KiB of it; bytes that are no HTTP are answered with 400.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { MeshError, type MeshErrorCode } from '../errors.ts';
import type { Runnable } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import { findRoute, type HttpResponse, type Route } from './http-route.ts';

export interface HttpServerOptions {
  /** What it is for, as messages name it: `admin server`. */
  readonly name: string;
  /** `any`: every address of both families; `loopback`: 127.0.0.1, and ::1 where the machine has it. */
  readonly listen: { readonly host: 'any' | 'loopback' | (string & {}); readonly port: number };
  readonly routes: readonly Route[];
  readonly log: Logger;
}

export interface HttpServer extends Runnable {
  /** The port it got, once started. */
  readonly port: number;
}

const limits = {
  headersTimeout: 2_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 30_000,
  connectionsCheckingInterval: 500,
  maxHeaderSize: 8_192,
};
const maxConnections = 256;
const meshCodes: Readonly<Record<string, MeshErrorCode>> = { EADDRINUSE: 'ADDRESS_IN_USE', EACCES: 'NOT_PERMITTED' };
const noSuchFamily = ['EAFNOSUPPORT', 'EADDRNOTAVAIL'];

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { listen, log, name } = options;
  const servers: Server[] = [];
  let port = listen.port;
  const phase: Phase = { kind: 'serving' };

  async function open(host: string): Promise<void> {
    const server = createServer(limits, (request, response) => void answer(options, phase, request, response));
    server.maxConnections = maxConnections;
    port = await bind(server, host, port, name);
    servers.push(server);
  }

  /** The other family, where there is one. */
  async function tryOpen(host: string): Promise<'open' | 'no such family'> {
    try {
      await open(host);
      return 'open';
    } catch (error) {
      const cause = error instanceof MeshError ? error.cause : error;
      if (noSuchFamily.includes(codeOf(cause))) return 'no such family';
      throw error;
    }
  }

  return {
    get port() {
      return port;
    },
    async start() {
      if (listen.host === 'any') {
        if ((await tryOpen('::')) === 'no such family') await open('0.0.0.0');
      } else if (listen.host === 'loopback') {
        await open('127.0.0.1');
        await tryOpen('::1');
      } else {
        await open(listen.host);
      }
      log.info({ server: name, host: listen.host, port }, 'listener established');
    },
    async drain(deadlineMs) {
      phase.kind = 'draining';
      await Promise.all(servers.map((server) => drainServer(server, deadlineMs)));
    },
    async close() {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

interface Phase {
  kind: 'serving' | 'draining';
}

async function answer(
  { log, name, routes }: HttpServerOptions,
  phase: Phase,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = 'GET', headers, url = '/' } = request;
  const {
    status,
    headers: extra,
    body,
  } = await respond().catch((error: unknown): HttpResponse => {
    log.error({ server: name, path: url, error }, 'request failed');
    return { status: 500, body: `${error instanceof Error ? error.message : String(error)}\n` };
  });
  const isWhole = typeof body === 'string' || body instanceof Uint8Array;
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    ...(isWhole && { 'content-length': Buffer.byteLength(body) }),
    ...extra,
    ...(phase.kind === 'draining' && { connection: 'close' }),
  });
  if (isWhole) {
    response.end(body);
    return;
  }
  await pipeline(Readable.from(body), response).catch((error: unknown) => {
    log.debug({ server: name, path: url, error }, 'answer not finished');
  });

  async function respond(): Promise<HttpResponse> {
    if (!URL.canParse(url, 'http://localhost')) return { status: 400, body: 'malformed request target\n' };
    const { pathname, searchParams } = new URL(url, 'http://localhost');
    const match = findRoute(routes, method, pathname);
    switch (match.kind) {
      case 'found':
        return match.route.handle({ method, path: pathname, query: searchParams, headers });
      case 'method-not-allowed':
        return { status: 405, headers: { allow: match.allowed.join(', ') }, body: 'method not allowed\n' };
      case 'not-found':
        return { status: 404, body: 'not found\n' };
    }
  }
}

function bind(server: Server, host: string, port: number, name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const code = meshCodes[codeOf(cause)] ?? 'IO_FAILED';
      const message = `the ${name} cannot listen on ${host} port ${port}: ${cause.message}; choose another port or end who holds it`;
      reject(new MeshError(code, message, { cause }));
    });
    server.listen({ host, port }, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

function drainServer(server: Server, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), deadlineMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
