// Streams that end in mid-transfer, by the hundred, give back all that they held of their tunnel's windows.
import t, { type Test } from 'tap';
import type { ByteStream } from '../../../common/net/byte-stream.ts';
import { type ConnectionPair, connectPair } from '../../support/connection-pair.ts';
import { record, writeAll } from '../../support/recording-sink.ts';

t.setTimeout(170_000);

const sides = ['client', 'server'] as const;
const firstWindowBytes = 1 << 20;

/** Sends as long as the stream takes it. */
function pour(stream: ByteStream, onBytes: (bytes: number) => void): void {
  const send = (): void => {
    while (stream.write(Buffer.alloc(64 * 1024)));
  };
  stream.open({ onData: (chunk) => onBytes(chunk.length), onEnd() {}, onWritable: send, onClose() {} });
  send();
}

/** What all ends have of the tunnel's windows, once nothing is under way: the same as at the beginning. */
async function settles(t: Test, { client, server }: ConnectionPair): Promise<void> {
  const ends = [client.session, server.session] as const;
  while (ends.some(({ streams }) => streams.size > 0)) await new Promise((resolve) => setTimeout(resolve, 5));
  const [one, other] = ends;
  // Of the last frame the head may have come, and be accounted for, before its payload.
  const isStill = (): boolean =>
    one.sendWindow.available === other.receiveWindow.announcedBytes &&
    other.sendWindow.available === one.receiveWindow.announcedBytes &&
    ends.every(({ receiveWindow }) => receiveWindow.freeBytes === receiveWindow.sizeBytes);
  for (let wait = 0; wait < 4_000 && !isStill(); wait++) await new Promise((resolve) => setTimeout(resolve, 5));
  t.ok(isStill(), 'both ends agree');
  for (const session of ends) {
    t.equal(session.receiveWindow.freeBytes, session.receiveWindow.sizeBytes, 'the whole window is free');
    t.equal(session.credit.heldBytes, 0, 'nothing is held');
    t.ok(session.sendWindow.available >= firstWindowBytes / 2, 'and at least a half is known to the peer');
  }
}

async function passesWhole(t: Test, pair: ConnectionPair, bytes: number): Promise<void> {
  const stream = await pair.openStream();
  const sinks = { client: record(stream.client), server: record(stream.server) };
  for (const [from, to] of [
    ['client', 'server'],
    ['server', 'client'],
  ] as const) {
    await writeAll(stream[from], sinks[from], Buffer.alloc(bytes));
    await sinks[to].until(() => sinks[to].bytes === bytes);
    t.equal(sinks[to].bytes, bytes, `from ${from} to ${to}`);
  }
  stream.client.end();
  stream.server.end();
}

for (const aborter of sides) {
  for (const senders of [['client'], ['server'], ['client', 'server']] as const) {
    t.test(`200 streams that the ${aborter} aborts while ${senders.join(' and ')} send leave no trace`, async (t) => {
      const pair = await connectPair(t);
      for (let wave = 0; wave < 4; wave++) {
        const streams = await Promise.all(Array.from({ length: 50 }, () => pair.openStream()));
        let arrived = 0;
        for (const [index, stream] of streams.entries()) {
          for (const side of sides) {
            if (senders.some((sender) => sender === side)) pour(stream[side], (bytes) => (arrived += bytes));
            else
              stream[side].open({
                onData: (chunk) => (arrived += chunk.length),
                onEnd() {},
                onWritable() {},
                onClose() {},
              });
          }
          // Some readers have stopped, and hold what came.
          if (index % 3 === 0) stream[aborter === 'client' ? 'server' : 'client'].pause();
          if (index % 3 === 1) stream[aborter].pause();
        }
        while (arrived < 8 << 20) await new Promise((resolve) => setImmediate(resolve));
        for (const stream of streams) stream[aborter].reset();
      }
      await settles(t, pair);
      await passesWhole(t, pair, 20 << 20);
      await settles(t, pair);
    });
  }
}
