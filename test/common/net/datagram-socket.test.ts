import { once } from 'node:events';
import t, { type Test } from 'tap';
import { parseIp, type SocketAddress } from '../../../common/net/address.ts';
import { createPlainSocketFactory } from '../../../common/net/plain-socket-factory-socket.ts';
import { createPodSocketFactory } from '../../../common/net/pod-socket-factory-socket.ts';
import type { SocketFactory } from '../../../common/net/socket-factory.ts';

function loopback(text: string, port: number): SocketAddress {
  const ip = parseIp(text);
  if (ip === undefined) throw new TypeError(text);
  return { ip, port };
}

async function exchange(t: Test, sockets: SocketFactory, host: string): Promise<void> {
  const server = await sockets.bindDatagrams(loopback(host, 0));
  t.teardown(() => server.close());
  server.on('message', (message, from) => server.send(`${message} back`, from.port, from.address));
  const { port } = server.address();
  const client = await sockets.connectDatagrams(loopback(host, port));
  t.teardown(() => client.close());
  const answered = once(client, 'message');
  client.send('there and');
  const [answer] = await answered;
  t.equal(String(answer), 'there and back');
  t.equal(client.remoteAddress().port, port);
  t.not(client.address().port, 0);
}

const factories: readonly [string, () => SocketFactory][] = [
  ['of this process', createPlainSocketFactory],
  ['of a pod', () => createPodSocketFactory({ namespace: 'own' })],
];

for (const [name, create] of factories) {
  t.test(`datagrams ${name} go there and back`, async (t) => {
    for (const host of ['127.0.0.1', '::1']) await exchange(t, create(), host);
  });

  t.test(`a socket ${name} tells that nobody listens`, async (t) => {
    const sockets = create();
    const gone = await sockets.bindDatagrams(loopback('127.0.0.1', 0));
    const { port } = gone.address();
    gone.close();
    await once(gone, 'close');
    const client = await sockets.connectDatagrams(loopback('127.0.0.1', port));
    t.teardown(() => client.close());
    const failed = once(client, 'error');
    client.send('anybody?');
    const [error] = await failed;
    t.equal(error.code, 'ECONNREFUSED');
  });

  t.test(`an address that is not here cannot be bound by a socket ${name}`, async (t) => {
    const failure = { name: 'MeshError', code: 'IO_FAILED', message: /192\.0\.2\.1:53 \(UDP\).*EADDRNOTAVAIL/ };
    await t.rejects(create().bindDatagrams(loopback('192.0.2.1', 53)), failure);
  });
}

t.test('a port is taken once, unless it is shared', async (t) => {
  const alone = createPlainSocketFactory();
  const first = await alone.bindDatagrams(loopback('127.0.0.1', 0));
  t.teardown(() => first.close());
  const address = loopback('127.0.0.1', first.address().port);
  await t.rejects(alone.bindDatagrams(address), { code: 'ADDRESS_IN_USE' });
  // As threads and an old and a new ztunnel do.
  const pod = createPodSocketFactory({ namespace: 'own' });
  const shared = await pod.bindDatagrams(loopback('127.0.0.1', 0));
  t.teardown(() => shared.close());
  const second = await pod.bindDatagrams(loopback('127.0.0.1', shared.address().port));
  second.close();
});
