import t from 'tap';
import type { ConnectionFault } from '../../../common/http2/error-code.ts';
import {
  encodeFrame,
  encodeGoAway,
  encodeHeaders,
  encodePing,
  encodeResetStream,
  encodeWindowUpdate,
  FrameDecoder,
  flags,
  frameTypes,
  maxCollectedFrameBytes,
} from '../../../common/http2/frame-codec.ts';
import { randomFrom } from '../../support/random-from.ts';

interface Seen {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  payload: string;
}

/** Frames as they were recognised, DATA put together again. */
function decoder(maxFrameBytes = 1 << 20) {
  const frames: Seen[] = [];
  let remainingDue = 0;
  const decoder = new FrameDecoder(maxFrameBytes, {
    onFrameHeader({ type, flags: frameFlags, streamId, length }) {
      frames.push({ type, flags: frameFlags, streamId, payload: '' });
      remainingDue = length;
      return undefined;
    },
    onDataPayload(piece, remaining) {
      remainingDue -= piece.length;
      t.equal(remaining, remainingDue);
      const frame = frames.at(-1);
      if (frame) frame.payload += piece.toString('hex');
      return undefined;
    },
    onFrame(_header, payload) {
      const frame = frames.at(-1);
      if (frame) frame.payload = payload.toString('hex');
      return undefined;
    },
  });
  return { frames, push: (chunk: Buffer): ConnectionFault | undefined => decoder.push(chunk) };
}

const conversation = Buffer.concat([
  encodeFrame(frameTypes.SETTINGS, 0, 0, Buffer.from('000300000064', 'hex')),
  encodeFrame(frameTypes.SETTINGS, flags.ACK, 0, Buffer.alloc(0)),
  encodeHeaders(1, Buffer.from('88', 'hex'), 'more', 16_384),
  encodeFrame(frameTypes.DATA, 0, 1, Buffer.from('some bytes of a connection')),
  encodeFrame(frameTypes.DATA, 0, 1, Buffer.alloc(0)),
  encodeFrame(frameTypes.DATA, flags.END_STREAM, 1, Buffer.from('end')),
  encodeWindowUpdate(0, 65_535),
  encodePing(Buffer.from('12345678'), 'ping'),
  encodeResetStream(3, 8),
  encodeGoAway(7, 11, 'enough'),
]);

const expected: Seen[] = [
  { type: 4, flags: 0, streamId: 0, payload: '000300000064' },
  { type: 4, flags: 1, streamId: 0, payload: '' },
  { type: 1, flags: 4, streamId: 1, payload: '88' },
  { type: 0, flags: 0, streamId: 1, payload: Buffer.from('some bytes of a connection').toString('hex') },
  { type: 0, flags: 0, streamId: 1, payload: '' },
  { type: 0, flags: 1, streamId: 1, payload: Buffer.from('end').toString('hex') },
  { type: 8, flags: 0, streamId: 0, payload: '0000ffff' },
  { type: 6, flags: 0, streamId: 0, payload: Buffer.from('12345678').toString('hex') },
  { type: 3, flags: 0, streamId: 3, payload: '00000008' },
  { type: 7, flags: 0, streamId: 0, payload: `000000070000000b${Buffer.from('enough').toString('hex')}` },
];

t.test('frames are recognised from one chunk', async (t) => {
  const { frames, push } = decoder();
  t.equal(push(conversation), undefined);
  t.same(frames, expected);
});

t.test('frames are recognised byte by byte, each header at its ninth byte', async (t) => {
  const { frames, push } = decoder();
  let headersDue = 0;
  let at = 0;
  for (const byte of conversation) {
    push(Buffer.from([byte]));
    at += 1;
    if (at === 9) headersDue = 1;
    if (at === 8) t.equal(frames.length, 0);
    t.ok(frames.length >= headersDue);
  }
  t.same(frames, expected);
});

t.test('frames are the same however the bytes are cut', async (t) => {
  const random = randomFrom(7);
  for (let round = 0; round < 200; round++) {
    const { frames, push } = decoder();
    for (let at = 0; at < conversation.length; ) {
      const next = at + 1 + Math.floor(random() * 40);
      push(Buffer.from(conversation.subarray(at, next)));
      at = next;
    }
    t.same(frames, expected);
  }
});

t.test('a frame above the size we announced is a FRAME_SIZE_ERROR, at its header', async (t) => {
  const { push } = decoder(16_384);
  t.equal(push(encodeFrame(frameTypes.DATA, 0, 1, Buffer.alloc(16_384))), undefined);
  t.match(push(Buffer.from('004001000000000001', 'hex')), { code: 'FRAME_SIZE_ERROR' });
  t.equal(push(conversation), undefined, 'nothing is decoded after a fault');
});

t.test('a frame that must be collected is bounded more tightly than DATA', async (t) => {
  const header = Buffer.from('000000010400000001', 'hex');
  header.writeUIntBE(maxCollectedFrameBytes + 1, 0, 3);
  t.match(decoder().push(header), { code: 'FRAME_SIZE_ERROR' });
  header[3] = frameTypes.DATA;
  t.equal(decoder().push(header), undefined);
});

t.test('a large header block is cut into CONTINUATIONs that end once', async (t) => {
  const { frames, push } = decoder();
  push(encodeHeaders(5, Buffer.alloc(40_000, 1), 'end-stream', 16_384));
  t.same(
    frames.map((frame) => [frame.type, frame.flags, frame.payload.length / 2]),
    [
      [frameTypes.HEADERS, flags.END_STREAM, 16_384],
      [frameTypes.CONTINUATION, 0, 16_384],
      [frameTypes.CONTINUATION, flags.END_HEADERS, 7_232],
    ],
  );
});
