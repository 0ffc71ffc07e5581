// Abuses of HTTP/2 that end less than a connection, or that consist in doing nothing: what they cost, and that they end.
import t from 'tap';
import type { ConnectRequest } from '../../../common/hbone/hbone.ts';
import {
  clientPreface,
  encodeFrame,
  encodePing,
  encodeResetStream,
  encodeWindowUpdate,
  flags,
  frameTypes,
} from '../../../common/http2/frame-codec.ts';
import { answerEcho, connectBlock, type Frames, part, request, times } from '../../support/hostile-frames.ts';
import { startEcho } from '../../support/live-echo.ts';
import { memoryBytes } from '../../support/memory-in-use.ts';
import { dialRaw, emptySettings, startRawServer } from '../../support/raw-peer.ts';
import { echo, startPool, startServer, targetAt } from '../../support/tunnel-ends.ts';

t.setTimeout(170_000);

const priorityOf = (id: number, parent: number): Buffer => {
  const frame = part(frameTypes.PRIORITY, id, 5);
  frame.writeUInt32BE(parent, 9);
  return frame;
};
const selfDependent = (id: number): Buffer => {
  const payload = Buffer.concat([Buffer.alloc(5, 0), connectBlock]);
  payload.writeUInt32BE(id, 0);
  return encodeFrame(frameTypes.HEADERS, flags.PRIORITY | flags.END_HEADERS, id, payload);
};
const reset = (id: number) => ({ type: frameTypes.RST_STREAM, streamId: id });

const ofOneStream: readonly (readonly [title: string, frames: () => Frames, answer: object[]])[] = [
  ['a priority that depends on itself', () => [priorityOf(1, 1), selfDependent(3)], []],
  ['priorities in a loop', () => [priorityOf(1, 3), priorityOf(3, 5), priorityOf(5, 1)], []],
  ['a window of 0', () => [encodeWindowUpdate(1, 0)], [reset(1)]],
  ['a window overflow', () => [encodeWindowUpdate(1, 0x7fffffff)], [reset(1)]],
  [
    'DATA after the end',
    () => [part(frameTypes.DATA, 1, 0, flags.END_STREAM), part(frameTypes.DATA, 1, 9)],
    [reset(1)],
  ],
  ['a second head', () => [request(1)], [reset(1)]],
  [
    '64 MiB for a stream that was reset',
    () => [encodeResetStream(1, 8), ...times(4_096, () => part(frameTypes.DATA, 1, 16_384))],
    [],
  ],
];

t.test('what concerns one stream at most ends that stream', async (t) => {
  const { address } = await startServer(t, answerEcho);
  for (const [title, frames, expected] of ofOneStream) {
    await t.test(title, async (t) => {
      const peer = await dialRaw(t, address);
      await peer.say(clientPreface, emptySettings, request(1));
      const before = await memoryBytes();
      for (const bytes of frames()) await peer.say(bytes);
      await peer.say(encodePing(Buffer.alloc(8), 'ping'));
      await peer.heard(frameTypes.PING);
      t.match(
        peer.frames.filter(({ type }) => type === frameTypes.RST_STREAM || type === frameTypes.GOAWAY),
        expected,
      );
      t.ok((await memoryBytes()) - before < 8 << 20, 'memory is flat');
    });
  }
});

/** Sends to its stream as long as that takes it. */
function pour(asked: ConnectRequest): void {
  if (asked.authority === 'echo:80') {
    echo(asked);
    return;
  }
  const stream = asked.accept([]);
  const send = (): void => {
    while (stream.write(Buffer.alloc(64 * 1024)));
  };
  stream.open({ onData() {}, onEnd() {}, onWritable: send, onClose() {} });
  send();
}

t.test(
  'a peer that takes all windows and reads nothing costs what its streams may queue, until it is given up',
  async (t) => {
    const { address, accepted } = await startServer(t, pour, {
      settings: { pingIntervalMs: 500, pingTimeoutMs: 4_000 },
    });
    const live = await startEcho(startPool(t), targetAt(address));
    const peer = await dialRaw(t, address);
    const before = await memoryBytes();
    peer.socket.pause();
    const windows = encodeFrame(frameTypes.SETTINGS, 0, 0, Buffer.from('00047fffffff', 'hex'));
    await peer.say(clientPreface, windows, encodeWindowUpdate(0, 0x7f000000));
    await peer.say(...times(50, (index) => request(1 + 2 * index)));
    await live.goesOn();
    const held = (await memoryBytes()) - before;
    // 256 KiB and the last chunk for each, and one write that is under way.
    t.ok(held < (50 * (256 + 64) + 2_048) * 1024, `${held} bytes are held for 50 streams`);
    while (accepted[1]?.socket.destroyed !== true) await live.goesOn();
    const left = (await memoryBytes()) - before;
    t.ok(left < 8 << 20, `${left} bytes are left`);
    await live.finish();
  },
);

t.test('peers that never come to the point are given up, and the others served', async (t) => {
  const { address } = await startServer(t, answerEcho, { settings: { pingIntervalMs: 500, pingTimeoutMs: 4_000 } });
  const live = await startEcho(startPool(t), targetAt(address));
  const openings = {
    nothing: [],
    'half a preface': [clientPreface.subarray(0, 12)],
    'no SETTINGS': [clientPreface],
    'a head without end': [clientPreface, emptySettings, part(frameTypes.HEADERS, 1, 16_384)],
    'a frame without end': [clientPreface, emptySettings, part(frameTypes.DATA, 1, 16_384).subarray(0, 10)],
  };
  const peers = Object.entries(openings).map(async ([title, parts]) => {
    const peer = await dialRaw(t, address);
    await peer.say(...parts);
    await peer.closed;
    t.pass(title);
  });
  // Byte by byte, faster than any timer of silence would notice.
  const drip = await dialRaw(t, address);
  for (let at = 0; !drip.socket.destroyed; at = (at + 1) % 20) {
    await drip.say(clientPreface.subarray(at, at + 1));
    await Promise.race([drip.closed, new Promise((resolve) => setTimeout(resolve, 250))]);
  }
  await Promise.all(peers);
  await live.finish();
});

t.test('a server that never speaks HTTP/2 is given up', async (t) => {
  const silent = await startRawServer(t, () => {});
  const pool = startPool(t, { pingIntervalMs: 100, pingTimeoutMs: 1_000 });
  await t.rejects(pool.connect(targetAt(silent), '10.0.0.9:80', []), { message: /no answer to PING/ });
});
