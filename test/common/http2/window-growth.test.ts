// The window of a whole connection between two ends, for bulk alone and beside messages, on a short way and on a long one. The long way
// is a proxy that holds every chunk, so that the kernels see a short one and only PING tells.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { type ConnectionPair, connectPair, type StreamEnds } from '../../support/connection-pair.ts';

const firstBytes = 1 << 20;
const mostBytes = 16 << 20;

function later(from: Socket, to: Socket, delayMs: number): void {
  from.on('data', (chunk) => void setTimeout(() => to.write(chunk), delayMs));
  from.on('close', () => void setTimeout(() => to.destroy(), delayMs));
  from.on('error', () => {});
}

/** @returns the port of a proxy to `port` through which every byte takes so long */
async function delayed(t: Test, port: number, delayMs: number): Promise<number> {
  const proxy = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    later(near, far, delayMs);
    later(far, near, delayMs);
  }).listen(0, '127.0.0.1');
  t.teardown(() => proxy.close());
  await once(proxy, 'listening');
  return (proxy.address() as AddressInfo).port;
}

/** A byte every other millisecond, on a stream of its own. @returns how to end it */
async function murmur({ client, server }: StreamEnds): Promise<() => void> {
  server.open({ onData() {}, onEnd() {}, onWritable() {}, onClose() {} });
  client.open({ onData() {}, onEnd() {}, onWritable() {}, onClose() {} });
  const timer = setInterval(() => client.write(Buffer.alloc(1)), 2);
  return () => {
    clearInterval(timer);
    for (const end of [client, server]) end.end();
  };
}

/** Sends up a stream of its own until all is sent or `isEnough`, and is taken. */
async function pour(pair: ConnectionPair, bytes: number, isEnough: () => boolean): Promise<void> {
  const { client, server } = await pair.openStream();
  const ended = new Promise<void>((resolve) => {
    server.open({ onData() {}, onEnd: resolve, onWritable() {}, onClose() {} });
  });
  let left = bytes;
  const send = (): void => {
    while (left > 0 && !isEnough()) {
      left -= 64 * 1024;
      if (!client.write(Buffer.alloc(64 * 1024))) return;
    }
    client.end();
  };
  client.open({ onData() {}, onEnd() {}, onWritable: send, onClose() {} });
  send();
  await ended;
  server.end();
}

/** Of what comes up. */
const windowOf = ({ server }: ConnectionPair): number => server.session.receiveWindow.sizeBytes;

t.test('bulk alone gets the whole window', async (t) => {
  const pair = await connectPair(t);
  t.equal(windowOf(pair), firstBytes);
  await pour(pair, 64 << 20, () => false);
  t.equal(windowOf(pair), mostBytes);
});

t.test('a way within one machine has a small window while messages come beside bulk', async (t) => {
  const pair = await connectPair(t);
  await pour(pair, 64 << 20, () => false);
  const end = await murmur(await pair.openStream());
  await pour(pair, 2 ** 32, () => windowOf(pair) === firstBytes);
  t.equal(windowOf(pair), firstBytes);
  await pour(pair, 64 << 20, () => false);
  t.equal(windowOf(pair), firstBytes);
  end();
});

t.test('a way of 80 ms has a window that holds a round trip, beside messages too', async (t) => {
  const pair = await connectPair(t, { pingIntervalMs: 20, through: (port) => delayed(t, port, 40) });
  const end = await murmur(await pair.openStream());
  let smallest = mostBytes;
  const sawSmall = (): boolean => {
    smallest = Math.min(smallest, windowOf(pair));
    return smallest === firstBytes && windowOf(pair) >= 8 * firstBytes;
  };
  await pour(pair, 1_024 << 20, sawSmall);
  t.equal(smallest, firstBytes);
  t.ok(windowOf(pair) >= 8 * firstBytes, `${windowOf(pair)} bytes`);
  end();
});
