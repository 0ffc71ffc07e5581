// The window of a whole connection between two ends: it stays small on a short way, and grows on a long one. The long way is a proxy that
// holds every chunk, so that the kernels see a short one and only PING tells.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { type ConnectionPair, connectPair } from '../../support/connection-pair.ts';

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

/** Sends up a stream of its own. @returns what the far end had for a window at the end */
async function windowAfter(pair: ConnectionPair, bytes: number, isEnough: () => boolean): Promise<number> {
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
  return pair.server.session.receiveWindow.sizeBytes;
}

t.test('a way within one machine keeps the small window, however much goes over it', async (t) => {
  const pair = await connectPair(t);
  t.equal(await windowAfter(pair, 256 << 20, () => false), firstBytes);
});

t.test('a way of 80 ms gets a window that holds more than a round trip of what comes', async (t) => {
  const pair = await connectPair(t, { pingIntervalMs: 20, through: (port) => delayed(t, port, 40) });
  const grown = (): boolean => pair.server.session.receiveWindow.sizeBytes >= 8 * firstBytes;
  const sizeBytes = await windowAfter(pair, 512 << 20, grown);
  t.ok(sizeBytes >= 8 * firstBytes, `${sizeBytes} bytes`);
  t.ok(sizeBytes <= mostBytes);
});
