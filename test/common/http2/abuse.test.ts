// Known abuses of HTTP/2 on real tunnels, from both sides: each ends its own connection with the right code, leaves memory flat,
// and disturbs no other tunnel of the same process.
import t, { type Test } from 'tap';
import { errorCodes } from '../../../common/http2/error-code.ts';
import {
  clientPreface,
  encodeGoAway,
  encodeHeaders,
  encodePing,
  encodeResetStream,
  encodeWindowUpdate,
  flags,
  frameTypes,
} from '../../../common/http2/frame-codec.ts';
import { encodeFields } from '../../../common/http2/hpack-codec.ts';
import {
  answerEcho,
  bigField,
  bomb,
  type Frames,
  part,
  request,
  resizes,
  times,
} from '../../support/hostile-frames.ts';
import { type LiveEcho, startEcho } from '../../support/live-echo.ts';
import { memoryBytes } from '../../support/memory-in-use.ts';
import { dialRaw, emptySettings, type RawPeer, startRawServer } from '../../support/raw-peer.ts';
import { record } from '../../support/recording-sink.ts';
import { startPool, startServer, targetAt } from '../../support/tunnel-ends.ts';

t.setTimeout(170_000);

const answer = (block: Buffer = Buffer.from('88', 'hex')): Buffer => encodeHeaders(1, block, 'more', 16_384);
type Abuse = readonly [title: string, frames: () => Frames, code: keyof typeof errorCodes];

/** What either side can do to the other. Stream 1 is open. */
const ofEither: readonly Abuse[] = [
  ['SETTINGS flood', () => times(5_000, () => emptySettings), 'ENHANCE_YOUR_CALM'],
  ['PING flood', () => times(20_000, () => encodePing(Buffer.alloc(8), 'ping')), 'ENHANCE_YOUR_CALM'],
  ['flood of unasked PING answers', () => times(20_000, () => encodePing(Buffer.alloc(8), 'ack')), 'ENHANCE_YOUR_CALM'],
  ['PRIORITY flood', () => times(20_000, () => part(frameTypes.PRIORITY, 1, 5)), 'ENHANCE_YOUR_CALM'],
  ['flood of unknown frames', () => times(20_000, () => part(0xee, 1, 10)), 'ENHANCE_YOUR_CALM'],
  ['flood of empty DATA', () => times(5_000, () => part(frameTypes.DATA, 1, 0)), 'ENHANCE_YOUR_CALM'],
  ['flood of padding', () => times(5_000, () => part(frameTypes.DATA, 1, 1, flags.PADDED)), 'ENHANCE_YOUR_CALM'],
  ['flood of windows', () => times(60_000, (index) => encodeWindowUpdate(index % 2, 1)), 'ENHANCE_YOUR_CALM'],
  ['connection window of 0', () => [encodeWindowUpdate(0, 0)], 'PROTOCOL_ERROR'],
  ['connection window overflow', () => times(2, () => encodeWindowUpdate(0, 0x7fffffff)), 'FLOW_CONTROL_ERROR'],
  ['frame above the limit', () => [Buffer.from('200000000000000001', 'hex')], 'FRAME_SIZE_ERROR'],
  ['DATA on an idle stream', () => [part(frameTypes.DATA, 4_001, 1)], 'PROTOCOL_ERROR'],
  ['header table above its limit', () => [request(1, Buffer.from('3fe21f', 'hex'))], 'COMPRESSION_ERROR'],
  ['HPACK bomb', () => [request(1, bigField), request(1, bomb)], 'ENHANCE_YOUR_CALM'],
  ['table size changes without end', () => [request(1, resizes)], 'COMPRESSION_ERROR'],
  [
    'CONTINUATION flood of empty frames',
    () => [part(frameTypes.HEADERS, 1, 1), ...times(20_000, () => part(frameTypes.CONTINUATION, 1, 0))],
    'ENHANCE_YOUR_CALM',
  ],
  [
    'CONTINUATION flood of large frames',
    () => [part(frameTypes.HEADERS, 1, 1), ...times(4_000, () => part(frameTypes.CONTINUATION, 1, 16_384))],
    'ENHANCE_YOUR_CALM',
  ],
];

const byClients: readonly Abuse[] = [
  ...ofEither,
  [
    'rapid reset',
    () => times(10_000, (index) => Buffer.concat([request(3 + 2 * index), encodeResetStream(3 + 2 * index, 8)])),
    'ENHANCE_YOUR_CALM',
  ],
  ['flood of requests above the limit', () => times(10_000, (index) => request(3 + 2 * index)), 'ENHANCE_YOUR_CALM'],
  [
    'flood of empty HEADERS',
    () => times(10_000, (index) => request(3 + 2 * index, Buffer.alloc(0))),
    'ENHANCE_YOUR_CALM',
  ],
  [
    'flood of heads that are too large',
    () => [request(1, bigField), ...times(5_000, (index) => request(3 + 2 * index, bomb.subarray(0, 50)))],
    'ENHANCE_YOUR_CALM',
  ],
];

const byServers: readonly Abuse[] = [
  ...ofEither,
  [
    'flood of interim answers',
    () => times(20_000, () => answer(encodeFields([[':status', '103']], 'later'))),
    'ENHANCE_YOUR_CALM',
  ],
  ['GOAWAY flood', () => times(5_000, () => encodeGoAway(1, 0, 'again')), 'ENHANCE_YOUR_CALM'],
  ['PUSH_PROMISE', () => [part(frameTypes.PUSH_PROMISE, 1, 4, flags.END_HEADERS)], 'PROTOCOL_ERROR'],
  ['HEADERS on a stream that nobody opened', () => [request(3)], 'PROTOCOL_ERROR'],
];

/** Says all of it, while the echo goes on; what that left in memory, and the code that it was answered with. */
async function endure(t: Test, peer: RawPeer, frames: Frames, code: keyof typeof errorCodes, live: LiveEcho) {
  const before = await memoryBytes();
  for (const bytes of frames) {
    if (peer.socket.destroyed) break;
    await peer.say(bytes);
  }
  t.equal(await peer.goAwayCode(), errorCodes[code]);
  await live.goesOn();
  const grown = (await memoryBytes()) - before;
  t.ok(grown < 8 << 20, `memory grew by ${grown} bytes`);
}

t.test('what a client does', async (t) => {
  const { address } = await startServer(t, answerEcho);
  const live = await startEcho(startPool(t), targetAt(address));
  for (const [title, frames, code] of byClients) {
    await t.test(`${title} ends its tunnel with ${code}, and no other`, async (t) => {
      const peer = await dialRaw(t, address);
      await peer.say(clientPreface, emptySettings, request(1));
      await endure(t, peer, frames(), code, live);
    });
  }
  await live.finish();
});

t.test('what a server does', async (t) => {
  const { address } = await startServer(t, answerEcho);
  const pool = startPool(t);
  const live = await startEcho(pool, targetAt(address));
  for (const [title, frames, code] of byServers) {
    await t.test(`${title} ends its tunnel with ${code}, and no other`, async (t) => {
      let admit: (peer: RawPeer) => void = () => {};
      const hostile = new Promise<RawPeer>((resolve) => {
        admit = resolve;
      });
      const bad = await startRawServer(t, (peer) => admit(peer));
      const connecting = pool.connect(targetAt(bad), '10.0.0.9:80', []);
      const peer = await hostile;
      await peer.say(emptySettings);
      await peer.heard(frameTypes.HEADERS);
      await peer.say(answer());
      const { stream } = await connecting;
      const sink = record(stream);
      await endure(t, peer, frames(), code, live);
      await sink.closed();
      t.match(sink.closeError, { code: /TUNNEL_(PROTOCOL|LOST)/ });
    });
  }
  await live.finish();
});
