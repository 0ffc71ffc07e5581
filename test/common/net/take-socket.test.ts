// A connection that was looked at as a stream, taken over by node:tls from its first byte: on handles of our own and on sockets.
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect } from 'node:tls';
import t, { type Test } from 'tap';
import { createCertificateAuthority } from '../../../common/identity/certificate-authority.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import { peekStream } from '../../../common/net/peek-stream.ts';
import { createPlainSocketFactory } from '../../../common/net/plain-socket-factory-socket.ts';
import { createPodSocketFactory } from '../../../common/net/pod-socket-factory-socket.ts';
import type { AcceptedByteStream, SocketFactory } from '../../../common/net/socket-factory.ts';
import { streamOfSocket } from '../../../common/net/tcp-stream-socket.ts';
import { secureContextOf } from '../../../common/tls/secure-context-socket.ts';
import { secureAsServer } from '../../../common/tls/tls-server.ts';
import { record, writeAll } from '../../support/recording-sink.ts';

const authority = await createCertificateAuthority({ trustDomain: 'cluster.local' });
const identity = identityOf({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'web' });
const certificate = await authority.issue(identity);
const factories: readonly (readonly [string, SocketFactory])[] = [
  ['handles', createPodSocketFactory({ namespace: 'own' })],
  ['sockets', createPlainSocketFactory()],
];

async function accept(t: Test, factory: SocketFactory) {
  const accepted = Promise.withResolvers<AcceptedByteStream>();
  const listener = await factory.listenStreams({ port: 0, host: 'loopback' }, ({ stream }) => accepted.resolve(stream));
  t.teardown(() => listener.close());
  return { port: listener.address.port, accepted: accepted.promise };
}

const afterFive = (start: Buffer): string => (start.length >= 5 ? 'enough' : 'more');

for (const [what, factory] of factories) {
  t.test(`TLS begins with the bytes that were looked at, and carries what it must (${what})`, async (t) => {
    const { port, accepted } = await accept(t, factory);
    const client = connect({
      port,
      host: '127.0.0.1',
      ...{ allowHalfOpen: true },
      secureContext: secureContextOf(certificate),
      ALPNProtocols: ['h2'],
      checkServerIdentity: () => undefined,
    });
    const peeked = await peekStream(await accepted, afterFive, () => 'nothing', 10_000);
    const socket = (await accepted).takeSocket(peeked?.start ?? Buffer.alloc(0));
    if (socket === undefined) throw new Error('the connection is over');
    const secured = await secureAsServer({ socket, certificate, timeoutMs: 10_000, peerName: 'the client' });
    t.equal(secured.peer.uri, identity.uri);
    const near = streamOfSocket(secured.socket);
    const sink = record(near);
    const payload = Buffer.alloc(3_000_000, 'abc');
    client.end(payload);
    let back = 0;
    client.on('data', (chunk: Buffer) => {
      back += chunk.length;
    });
    await sink.ended();
    t.equal(sink.bytes, payload.length);
    await writeAll(near, sink, payload);
    near.end();
    await once(client, 'end');
    t.equal(back, payload.length, 'the other way too, after the client has ended its own');
    await sink.closed();
    t.equal(sink.closeError, undefined);
  });

  t.test(`there is nothing to take when the connection is over (${what})`, async (t) => {
    const { port, accepted } = await accept(t, factory);
    const client = connectTcp(port, '127.0.0.1');
    client.on('error', () => {});
    const stream = await accepted;
    const sink = record(stream);
    client.resetAndDestroy();
    await sink.closed();
    t.equal(stream.takeSocket(Buffer.alloc(0)), undefined);
  });
}
