// A small HTTP service on our HTTP/2 session over cleartext TCP, for clients that know no CONNECT. A request with `x-bytes: N` is
// answered with N bytes once it has been read; any other with its own body.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';
import { PendingRequest } from '../../common/hbone/connect-request.ts';
import type { ConnectRequest } from '../../common/hbone/hbone.ts';
import { Http2Connection } from '../../common/http2/connection-socket.ts';
import { serverSettings } from '../../common/http2/settings.ts';
import { echo, loopback, web } from './tunnel-ends.ts';

export interface Http2Service {
  readonly url: string;
  /** Why connections ended. */
  readonly ends: readonly string[];
  /** Streams that are open now. */
  readonly openStreams: () => number;
}

export async function startHttp2Service(t: Test): Promise<Http2Service> {
  const ends: string[] = [];
  const connections = new Set<Http2Connection>();
  const address = { ip: loopback, port: 1 };
  const facts = { peerIdentity: web, localIdentity: web, peerAddress: address, localAddress: address };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket: Socket) => {
    const connection: Http2Connection = new Http2Connection({
      socket,
      own: serverSettings,
      peerName: 'the client',
      handlers: {
        onRequest: (stream, head) => {
          const request = new PendingRequest(connection.session, stream, head, facts);
          serve(request);
          return request.events;
        },
        onStreamClosed() {},
        onGoAway() {},
        onClosed(reason) {
          ends.push(reason.message);
          connections.delete(connection);
        },
      },
    });
    connections.add(connection);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    ends,
    openStreams: () => [...connections].reduce((sum, { session }) => sum + session.streams.size, 0),
  };
}

function serve(request: ConnectRequest): void {
  const wanted = request.headers.find(([name]) => name === 'x-bytes')?.[1];
  if (wanted === undefined) echo(request);
  else pour(request, Number(wanted));
}

function pour(request: ConnectRequest, bytes: number): void {
  const stream = request.accept([]);
  let left = bytes;
  const send = (): void => {
    while (left > 0) {
      const chunk = Buffer.alloc(Math.min(left, 100_000), 0x61);
      left -= chunk.length;
      if (!stream.write(chunk) && left > 0) return;
    }
    stream.end();
  };
  stream.open({
    onData() {},
    onEnd: send,
    onWritable() {
      if (left > 0) send();
    },
    onClose() {},
  });
}
