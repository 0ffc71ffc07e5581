// Both ends of one tunnel in reach of a test: two HTTP/2 connections on a TCP socket, and the streams between them.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';
import { PendingRequest } from '../../common/hbone/connect-request.ts';
import { openConnectStream } from '../../common/hbone/connect-stream.ts';
import { Http2Connection } from '../../common/http2/connection-socket.ts';
import { clientSettings, serverSettings } from '../../common/http2/settings.ts';
import type { ByteStream } from '../../common/net/byte-stream.ts';
import { loopback, web } from './tunnel-ends.ts';

export interface StreamEnds {
  readonly client: ByteStream;
  readonly server: ByteStream;
}

export interface ConnectionPair {
  readonly client: Http2Connection;
  readonly server: Http2Connection;
  openStream(): Promise<StreamEnds>;
}

export interface PairWay {
  readonly pingIntervalMs?: number;
  /** @returns the port to dial instead */
  readonly through?: (port: number) => Promise<number>;
}

export async function connectPair(t: Test, { pingIntervalMs, through }: PairWay = {}): Promise<ConnectionPair> {
  const accepted = new Map<string, ByteStream>();
  const listener = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port: servedPort } = listener.address() as AddressInfo;
  const port = (await through?.(servedPort)) ?? servedPort;
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const [[peer]] = (await Promise.all([once(listener, 'connection'), once(socket, 'connect')])) as [[Socket], unknown];
  t.teardown(() => {
    socket.destroy();
    listener.close();
  });
  const address = { ip: loopback, port };
  const facts = { peerIdentity: web, localIdentity: web, peerAddress: address, localAddress: address };
  const quiet = { onStreamClosed() {}, onGoAway() {}, onClosed() {} };
  const times = pingIntervalMs === undefined ? {} : { pingIntervalMs };
  const server: Http2Connection = new Http2Connection({
    socket: peer,
    own: serverSettings,
    ...times,
    peerName: 'the client',
    handlers: {
      ...quiet,
      onRequest: (stream, head) => {
        const request = new PendingRequest(server.session, stream, head, facts);
        accepted.set(request.authority, request.accept([]));
        return request.events;
      },
    },
  });
  const client = new Http2Connection({
    socket,
    own: clientSettings,
    ...times,
    peerName: 'the server',
    handlers: {
      ...quiet,
      onRequest() {
        throw new Error('a server opened a stream');
      },
    },
  });
  let streams = 0;
  return {
    client,
    server,
    async openStream() {
      const authority = `stream:${++streams}`;
      const tunnel = { connection: client, peer: web, notAfterMs: Number.POSITIVE_INFINITY };
      const outcome = await openConnectStream({ tunnel, authority, headers: [], timeoutMs: 60_000, nextHop: address });
      if (outcome.kind === 'failed') throw outcome.error;
      const far = accepted.get(authority);
      if (far === undefined) throw new Error('the server has no such stream');
      accepted.delete(authority);
      return { client: outcome.stream, server: far };
    },
  };
}
