// HTTP/1.1 towards the client: node:http's parser on our byte streams. In: a Duplex and a handler. Out: one ServerExchange a request.
// Strict where smuggling begins: node's parser refuses Content-Length beside Transfer-Encoding, a second Content-Length, bare CR and
// folded headers; HTTP/1.0, a missing Host and heads over the limits are refused here (waypoint-telemetry.md §9.1).
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { ByteStreamDuplex } from './byte-stream-duplex.ts';
import { type ExchangeHandler, httpLimits } from './http-exchange.ts';
import { Http1Exchange } from './http1-exchange.ts';

export interface Http1Server {
  serve(duplex: ByteStreamDuplex, handler: ExchangeHandler): void;
  /** Connections close after the response they are in; idle ones at once. */
  drain(): void;
  close(): void;
}

const refusals: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

export function createHttp1Server(): Http1Server {
  const handlers = new Map<Duplex, ExchangeHandler>();
  let state: 'serving' | 'draining' = 'serving';
  const server = createNodeServer();

  function begin(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const handler = handlers.get(socket);
    if (!(socket instanceof ByteStreamDuplex) || handler === undefined) return;
    const refusal = refusalOf(request);
    if (refusal !== undefined) {
      response.writeHead(refusal, ['connection', 'close', 'content-length', '0']).end();
      return;
    }
    if (state === 'draining') response.shouldKeepAlive = false;
    handler(new Http1Exchange(request, response, socket));
  }

  server.on('request', begin);
  server.on('checkContinue', (request, response) => {
    // As Envoy: the proxy invites the body itself, and `expect` goes no further.
    response.writeContinue();
    begin(request, response);
  });
  server.on('checkExpectation', (_request, response) => {
    response.writeHead(417, ['connection', 'close', 'content-length', '0']).end();
  });
  server.on('upgrade', (request, socket, head) => {
    if (head.length > 0) socket.unshift(head);
    const response = new ServerResponse(request);
    response.assignSocket(request.socket);
    response.shouldKeepAlive = false;
    response.on('finish', () => socket.end());
    begin(request, response);
  });
  server.on('connect', (_request, socket) => refuse(socket, '403 Forbidden'));
  server.on('clientError', (error, socket) => {
    const code = 'code' in error ? String(error.code) : '';
    if (code === 'ECONNRESET' || !socket.writable) socket.destroy();
    else refuse(socket, refusals[code] ?? '400 Bad Request');
  });

  return {
    serve(duplex, handler) {
      handlers.set(duplex, handler);
      duplex.on('error', () => undefined);
      duplex.on('close', () => handlers.delete(duplex));
      server.emit('connection', duplex);
    },
    drain() {
      state = 'draining';
      server.closeIdleConnections();
    },
    close() {
      for (const duplex of handlers.keys()) duplex.destroy();
      server.close();
    },
  };
}

function createNodeServer(): Server {
  const server = createServer({
    maxHeaderSize: httpLimits.maxHeadBytes,
    requireHostHeader: true,
    insecureHTTPParser: false,
    keepAliveTimeout: 0,
    requestTimeout: 0,
    headersTimeout: 60_000,
    shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === 'websocket',
  });
  // Node would drop what is over the count without a word; the head is bounded by its size, and counted in `refusalOf`.
  server.maxHeadersCount = 0;
  return server;
}

function refusalOf(request: IncomingMessage): number | undefined {
  if (request.httpVersion !== '1.1') return 426;
  if (request.rawHeaders.length / 2 > httpLimits.maxHeaders) return 431;
  return undefined;
}

function refuse(socket: Duplex, statusLine: string): void {
  socket.end(`HTTP/1.1 ${statusLine}\r\nserver: istio-envoy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
