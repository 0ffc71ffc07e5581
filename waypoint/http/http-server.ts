// The engine's side towards clients, whichever HTTP they speak. In: a byte stream, its protocol, a handler. Out: exchanges.
import type { ByteStream } from '../../common/net/byte-stream.ts';
import { ByteStreamDuplex } from './byte-stream-duplex.ts';
import type { ExchangeHandler } from './http-exchange.ts';
import { createHttp1Server } from './http1-server.ts';
import { createHttp2Server } from './http2-server.ts';

export interface HttpServer {
  /** @param onClosed the connection has ended, after its last exchange */
  serve(stream: ByteStream, protocol: 'http1' | 'http2', handler: ExchangeHandler, onClosed?: () => void): void;
  drain(): void;
  close(): void;
}

export function createHttpServer(): HttpServer {
  const servers = { http1: createHttp1Server(), http2: createHttp2Server() };
  return {
    serve(stream, protocol, handler, onClosed) {
      const duplex = new ByteStreamDuplex(stream);
      if (onClosed !== undefined) duplex.on('close', () => setImmediate(onClosed));
      servers[protocol].serve(duplex, handler);
    },
    drain() {
      servers.http1.drain();
      servers.http2.drain();
    },
    close() {
      servers.http1.close();
      servers.http2.close();
    },
  };
}
