// Sockets of a pod as the daemon opens them, here in the test's own namespace.
import { EventEmitter, once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import type { ByteStream } from '../../../common/net/byte-stream.ts';
import { AF_INET, SOCK_STREAM, SOL_TCP, TCP_NOTSENT_LOWAT } from '../../../common/net/linux-constants.ts';
import { createPodSocketFactory } from '../../../common/net/pod-socket-factory-socket.ts';
import { encodeSockaddr } from '../../../common/net/sockaddr-codec.ts';
import type { AcceptedSocket, AcceptedStream, Listener, SocketFactory } from '../../../common/net/socket-factory.ts';
import { createTcpHandle, handleOf } from '../../../common/net/stream-handle-socket.ts';
import { systemCalls } from '../../../common/net/system-calls-socket.ts';
import { localAddressOf } from '../../../common/net/tcp-handle-socket.ts';
import { ip } from '../../support/pod-network.ts';
import { record } from '../../support/recording-sink.ts';

/** What the kernel takes of a socket beyond what it can send. */
function unsentBytes(socket: object): number {
  const descriptor = handleOf(socket)?.fd ?? -1;
  return systemCalls().getOption(descriptor, SOL_TCP, TCP_NOTSENT_LOWAT, 4).readInt32LE();
}

t.test('little waits in the kernel of sockets that carry tunnels, on either side', async (t) => {
  const sockets = createPodSocketFactory({ namespace: 'own' });
  let admit: (accepted: AcceptedSocket) => void = () => {};
  const accepted = new Promise<AcceptedSocket>((resolve) => {
    admit = resolve;
  });
  const listener = await sockets.listenSockets({ port: 0, host: 'loopback' }, (socket) => admit(socket));
  const dialled = await sockets.connectSocket({ to: listener.address });
  const { socket } = await accepted;
  t.equal(unsentBytes(dialled), 131_072);
  t.equal(unsentBytes(socket), 131_072, 'inherited from the listener');
  dialled.end('bytes');
  socket.resume();
  const [chunk] = await once(socket, 'data');
  t.equal(String(chunk), 'bytes');
  for (const end of [dialled, socket]) end.destroy();
  await listener.close();
});

/** Connections of its own to a listener, as a program in the pod would have them. */
async function listening(): Promise<{
  readonly sockets: SocketFactory;
  readonly listener: Listener;
  readonly next: Promise<AcceptedStream>;
}> {
  const sockets = createPodSocketFactory({ namespace: 'own' });
  let admit: (accepted: AcceptedStream) => void = () => {};
  const next = new Promise<AcceptedStream>((resolve) => {
    admit = resolve;
  });
  const listener = await sockets.listenStreams({ port: 0, host: 'loopback' }, (accepted) => admit(accepted));
  return { sockets, listener, next };
}

t.test('a program in the pod is connected to, half-closes and is read to its end', async (t) => {
  const { sockets, listener, next } = await listening();
  const upstream = await sockets.connectStream({ to: listener.address, within: 'pod' });
  const { stream: program } = await next;
  const received = record(program);
  const answer = record(upstream);
  upstream.write(Buffer.from('question'));
  upstream.end();
  await received.ended();
  t.equal(received.text, 'question');
  program.write(Buffer.from('answer after the end'));
  program.end();
  await Promise.all([answer.closed(), received.closed()]);
  t.equal(answer.text, 'answer after the end');
  t.same([answer.closeError, received.closeError], [undefined, undefined]);
  await listener.close();
});

t.test('what is under way when an end is written comes before the end', async (t) => {
  const { sockets, listener, next } = await listening();
  const upstream = await sockets.connectStream({ to: listener.address, within: 'pod' });
  const { stream: program } = await next;
  const bytes = 8 << 20;
  upstream.open({ onData() {}, onEnd() {}, onWritable() {}, onClose() {} });
  upstream.write(Buffer.alloc(bytes));
  upstream.end();
  const received = record(program);
  await received.ended();
  t.equal(received.bytes, bytes);
  program.end();
  await received.closed();
  await listener.close();
});

t.test('a port in the pod where nobody listens is refused', async (t) => {
  const { sockets, listener } = await listening();
  await listener.close();
  const refused = sockets.connectStream({ to: listener.address, within: 'pod' });
  await t.rejects(refused, { code: 'UPSTREAM_REFUSED', message: /ECONNREFUSED/ });
});

t.test('a program whose queue of connections is full is waited for, and given up in time', async (t) => {
  const calls = systemCalls();
  const descriptor = calls.socket(AF_INET, SOCK_STREAM);
  calls.bind(descriptor, encodeSockaddr({ ip: ip('127.0.0.1'), port: 0 }));
  calls.listen(descriptor, 0);
  const handle = createTcpHandle('socket');
  handle.open(descriptor);
  const to = localAddressOf(handle);
  if (to === undefined) throw new Error('no address');
  const sockets = createPodSocketFactory({ namespace: 'own' });
  const inQueue = await sockets.connectStream({ to, within: 'pod' });
  const late = { to, within: 'pod', timeoutMs: 200 } as const;
  await t.rejects(sockets.connectStream(late), { code: 'UPSTREAM_CONNECT_TIMEOUT' });
  const waiting = sockets.connectStream({ to, within: 'pod' });
  const accepted = calls.accept(descriptor);
  t.ok(accepted, 'there is room again');
  const connected = await waiting;
  for (const stream of [inQueue, connected]) stream.reset();
  if (accepted) calls.close(accepted.descriptor);
  handle.close(() => {});
});

t.test('each of many that dial at once is known by its own address', async (t) => {
  const sockets = createPodSocketFactory({ namespace: 'own' });
  const seen: number[] = [];
  const streams: ByteStream[] = [];
  const all = new EventEmitter();
  const listener = await sockets.listenStreams({ port: 0, host: 'any' }, ({ peer, stream }) => {
    t.equal(peer.ip, '127.0.0.1', 'as IPv4 on a listener of both families');
    seen.push(peer.port);
    streams.push(stream);
    all.emit(String(seen.length));
  });
  const to = { ip: ip('127.0.0.1'), port: listener.address.port };
  const dialled = Array.from({ length: 20 }, () => connect(to.port, to.ip));
  await once(all, '20');
  await Promise.all(dialled.map((socket) => socket.localPort === undefined && once(socket, 'connect')));
  t.same(seen.toSorted(), dialled.map(({ localPort }) => localPort).toSorted());
  for (const socket of dialled) socket.destroy();
  for (const stream of streams) stream.reset();
  await listener.close();
});
