import { once } from 'node:events';
import type { Socket } from 'node:net';
import t, { type Test } from 'tap';
import { parseIp, type SocketAddress } from '../../../common/net/address.ts';
import { createPlainSocketFactory } from '../../../common/net/plain-socket-factory-socket.ts';
import type { AcceptedSocket, Listener } from '../../../common/net/socket-factory.ts';

const ip = (text: string) => {
  const parsed = parseIp(text);
  if (parsed === undefined) throw new Error(`${text} is no address`);
  return parsed;
};
const loopback = ip('127.0.0.1');

interface Pair {
  readonly client: Socket;
  readonly accepted: AcceptedSocket;
  readonly listener: Listener;
}

async function connectPair(t: Test, factory = createPlainSocketFactory(), from?: SocketAddress['ip']): Promise<Pair> {
  const accepts = Promise.withResolvers<AcceptedSocket>();
  const listener = await factory.listenSockets({ port: 0, host: 'loopback' }, accepts.resolve);
  const client = await factory.connectSocket({ to: listener.address, ...(from === undefined ? {} : { from }) });
  const accepted = await accepts.promise;
  t.teardown(async () => {
    client.destroy();
    accepted.socket.destroy();
    await listener.close();
  });
  return { client, accepted, listener };
}

t.test('an accepted connection', async (t) => {
  const { client, accepted, listener } = await connectPair(t);
  t.same(accepted.local, listener.address, 'names its local end');
  t.same(accepted.originalDestination, listener.address, 'has that as its original destination');
  t.same(accepted.peer, { ip: loopback, port: client.localPort }, 'names its peer');
  client.write('early');
  accepted.socket.setEncoding('utf8').resume();
  const [text] = await once(accepted.socket, 'data');
  t.equal(text, 'early', 'has lost no byte that came before anybody read');
});

t.test('each direction ends by itself', async (t) => {
  const { client, accepted } = await connectPair(t);
  client.resume();
  accepted.socket.resume();
  client.end('question');
  await once(accepted.socket, 'end');
  accepted.socket.end('answer');
  client.setEncoding('utf8');
  const [text] = await once(client, 'data');
  t.equal(text, 'answer');
});

t.test('a reset before anybody listens for errors does not end the process', async (t) => {
  const { client, accepted } = await connectPair(t);
  client.resetAndDestroy();
  accepted.socket.resume();
  t.equal(await new Promise((resolve) => accepted.socket.once('close', resolve)), true);
});

t.test('a connection that dialled a listener for redirected ones is reset', async (t) => {
  const factory = createPlainSocketFactory();
  const listener = await factory.listenSockets({ port: 0, host: 'loopback', accept: 'redirected' }, () => t.fail());
  t.teardown(() => listener.close());
  const lost = factory.connectSocket({ to: listener.address }).then(async (client) => {
    client.resume();
    await once(client, 'end');
  });
  await t.rejects(lost, /ECONNRESET/, 'during or right after the handshake');
});

t.test('streams', async (t) => {
  const factory = createPlainSocketFactory();
  const text = Promise.withResolvers<string>();
  const listener = await factory.listenStreams({ port: 0, host: 'any' }, ({ stream }) =>
    stream.open({
      onData: (chunk) => text.resolve(chunk.toString()),
      onEnd: () => stream.end(),
      onWritable: () => {},
      onClose: () => {},
    }),
  );
  t.teardown(() => listener.close());
  const stream = await factory.connectStream({ to: { ip: loopback, port: listener.address.port } });
  const closed = Promise.withResolvers<unknown>();
  stream.open({ onData: () => {}, onEnd: () => {}, onWritable: () => {}, onClose: closed.resolve });
  stream.write(Buffer.from('bytes'));
  stream.end();
  t.equal(await text.promise, 'bytes');
  t.equal(await closed.promise, undefined, 'close without an error once both directions have ended');
});

t.test('where pods share a namespace', async (t) => {
  const podA = createPlainSocketFactory({ bindAddress: ip('127.77.0.1') });
  const podB = createPlainSocketFactory({ bindAddress: ip('127.77.0.2') });
  const accepts = Promise.withResolvers<AcceptedSocket>();
  const listener = await podB.listenSockets({ port: 0, host: 'any' }, accepts.resolve);
  t.teardown(() => listener.close());
  t.equal(listener.address.ip, '127.77.0.2', "'any' is the pod's own address");
  const client = await podA.connectSocket({ to: listener.address });
  const accepted = await accepts.promise;
  t.teardown(() => void [client.destroy(), accepted.socket.destroy()]);
  t.equal(accepted.peer.ip, '127.77.0.1', 'a connection leaves from the address of its pod');
  const other = await podA.listenSockets({ port: listener.address.port, host: 'any' }, () => {});
  await other.close();
  t.equal(other.address.port, listener.address.port, 'two pods listen on the same port');
});

t.test('a source address is used where it is ours, and given up where it is not', async (t) => {
  const ours = await connectPair(t, createPlainSocketFactory(), ip('127.0.0.9'));
  t.equal(ours.accepted.peer.ip, '127.0.0.9');
  const foreign = await connectPair(t, createPlainSocketFactory(), ip('203.0.113.9'));
  t.equal(foreign.accepted.peer.ip, loopback);
});

t.test('failures name the address and the remedy', async (t) => {
  const factory = createPlainSocketFactory();
  const listener = await factory.listenSockets({ port: 0, host: 'loopback' }, () => {});
  const to = listener.address;
  await t.rejects(
    factory.listenSockets({ port: to.port, host: 'loopback' }, () => {}),
    {
      code: 'ADDRESS_IN_USE',
      message: `listening on 127.0.0.1:${to.port} failed: another process holds it; stop that one or choose another port (EADDRINUSE)`,
    },
  );
  await listener.close();
  await t.rejects(factory.connectSocket({ to }), {
    code: 'UPSTREAM_REFUSED',
    message: `connecting to 127.0.0.1:${to.port} failed: nothing listens there (ECONNREFUSED)`,
  });
});
