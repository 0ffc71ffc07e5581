// HTTP/2 with prior knowledge towards the client: node:http2 on our byte streams. In: a Duplex and a handler. Out: one
// ServerExchange a request. Heads over the limits are reset by the library; pushes do not exist.
import { constants, performServerHandshake, type ServerHttp2Session } from 'node:http2';
import type { ByteStreamDuplex } from './byte-stream-duplex.ts';
import { type ExchangeHandler, httpLimits } from './http-exchange.ts';
import { Http2Exchange } from './http2-exchange.ts';

export interface Http2Server {
  serve(duplex: ByteStreamDuplex, handler: ExchangeHandler): void;
  /** GOAWAY; running requests end in their time. */
  drain(): void;
  close(): void;
}

const pseudoHeaders = 4;

export function createHttp2Server(): Http2Server {
  const sessions = new Set<ServerHttp2Session>();
  return {
    serve(duplex, handler) {
      duplex.on('error', () => undefined);
      const session = performServerHandshake(duplex, {
        maxHeaderListPairs: httpLimits.maxHeaders + pseudoHeaders,
        settings: {
          maxConcurrentStreams: httpLimits.maxConcurrentStreams,
          initialWindowSize: httpLimits.streamWindowBytes,
          maxHeaderListSize: httpLimits.maxHeadBytes,
          enableConnectProtocol: false,
        },
      });
      sessions.add(session);
      session.setLocalWindowSize(httpLimits.connectionWindowBytes);
      session.on('error', () => undefined);
      session.on('close', () => {
        sessions.delete(session);
        duplex.end();
      });
      session.on('stream', (stream, headers, flags, rawHeaders) => {
        stream.on('error', () => undefined);
        const method = headers[':method'];
        if (typeof method !== 'string' || method === 'CONNECT') {
          stream.respond({ ':status': 403 }, { endStream: true });
          return;
        }
        const endsHere = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
        handler(new Http2Exchange(stream, rawHeaders, endsHere ? 'no-body' : 'body'));
      });
    },
    drain() {
      for (const session of sessions) session.close();
    },
    close() {
      for (const session of sessions) session.destroy();
    },
  };
}
