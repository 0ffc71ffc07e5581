import t from 'tap';
import { ConnectionSession } from '../../../common/http2/connection-session.ts';
import { errorCodes } from '../../../common/http2/error-code.ts';
import {
  clientPreface,
  encodeFrame,
  encodeGoAway,
  encodeHeaders,
  encodePing,
  encodeResetStream,
  encodeWindowUpdate,
  FrameDecoder,
  flags,
  frameTypes,
} from '../../../common/http2/frame-codec.ts';
import { encodeFields } from '../../../common/http2/hpack-codec.ts';
import { clientSettings, type OwnSettings, serverSettings } from '../../../common/http2/settings.ts';
import type { StreamEvents, StreamState } from '../../../common/http2/stream-state.ts';
import { randomFrom } from '../../support/random-from.ts';

interface SentFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  payload: Buffer;
}

/** A session with everything it says and hears written down. */
function sessionOf(own: OwnSettings) {
  const log: string[] = [];
  const streams: StreamState[] = [];
  const eventsOf = (name: string): StreamEvents => ({
    onResponse: (response) => log.push(`${name} response ${response.status}`),
    onData: (chunk) => log.push(`${name} data ${chunk.length}`),
    onEnd: () => log.push(`${name} end`),
    onWritable: () => log.push(`${name} writable`),
    onGone: (end) => log.push(`${name} gone ${end.kind}${end.kind === 'reset' ? ` ${end.code}` : ''}`),
  });
  const session = new ConnectionSession(own, {
    onOutput() {},
    onWindowUsed() {},
    onReady: () => log.push('ready'),
    onRequest(stream, request) {
      log.push(`request ${request.method} ${request.authority}`);
      streams.push(stream);
      return eventsOf(`#${stream.id}`);
    },
    onPong: (opaque) => log.push(`pong ${opaque.toString()}`),
    onGoAway: ({ lastStreamId, code }) => log.push(`goaway ${lastStreamId} ${code}`),
    onStreamClosed() {},
    onFault: ({ code }) => log.push(`fault ${code}`),
  });
  const sent = (): SentFrame[] => {
    const bytes = Buffer.concat(session.takeOutput(1 << 30));
    return framesIn(bytes.subarray(0, clientPreface.length).equals(clientPreface) ? bytes.subarray(24) : bytes);
  };
  return { session, log, streams, sent, eventsOf };
}

function framesIn(bytes: Buffer): SentFrame[] {
  const frames: SentFrame[] = [];
  const decoder = new FrameDecoder(1 << 24, {
    onFrameHeader({ type, flags: frameFlags, streamId }) {
      frames.push({ type, flags: frameFlags, streamId, payload: Buffer.alloc(0) });
      return undefined;
    },
    onDataPayload(piece) {
      const frame = frames.at(-1);
      if (frame) frame.payload = Buffer.concat([frame.payload, piece]);
      return undefined;
    },
    onFrame(_header, payload) {
      const frame = frames.at(-1);
      if (frame) frame.payload = Buffer.from(payload);
      return undefined;
    },
  });
  decoder.push(bytes);
  return frames;
}

const settings = (hex = ''): Buffer => encodeFrame(frameTypes.SETTINGS, 0, 0, Buffer.from(hex, 'hex'));
const connectFields = [
  [':method', 'CONNECT'],
  [':authority', '10.0.0.9:80'],
] as const;
const request = (id: number, end: 'end-stream' | 'more' = 'more'): Buffer =>
  encodeHeaders(id, encodeFields(connectFields, 'later'), end, 16_384);
const data = (id: number, bytes: number, frameFlags = 0): Buffer =>
  encodeFrame(frameTypes.DATA, frameFlags, id, Buffer.alloc(bytes, 0x61));

/** A server that has seen the preface, SETTINGS and `streams` requests. */
function servingSession(requests = 1) {
  const end = sessionOf(serverSettings);
  end.session.receive(Buffer.concat([clientPreface, settings()]));
  for (let index = 0; index < requests; index++) end.session.receive(request(1 + 2 * index));
  end.sent();
  end.log.length = 0;
  return end;
}

/** A client whose peer has sent SETTINGS (hex of the payload), with one open stream that was answered. */
function dialledSession(settingsHex = '') {
  const end = sessionOf(clientSettings);
  end.session.receive(settings(settingsHex));
  const stream = end.session.open(connectFields, end.eventsOf('#1'));
  if (!stream) throw new Error('no stream');
  end.session.receive(encodeHeaders(1, Buffer.from('88', 'hex'), 'more', 16_384));
  end.sent();
  end.log.length = 0;
  return { ...end, stream };
}

t.test('each side opens with its preface, SETTINGS and a connection window of 1 MiB', async (t) => {
  const server = sessionOf(serverSettings).sent();
  t.same(
    server.map((frame) => [frame.type, frame.payload.toString('hex')]),
    [
      [frameTypes.SETTINGS, '0003000000c8000400400000000500100000000600010000'],
      [frameTypes.WINDOW_UPDATE, '000f0001'],
    ],
  );
  const client = sessionOf(clientSettings);
  const bytes = Buffer.concat(client.session.takeOutput(1000));
  t.ok(bytes.subarray(0, 24).equals(clientPreface));
  t.equal(framesIn(bytes.subarray(24))[0]?.payload.toString('hex'), '000200000000000400400000000500100000000600004000');
});

t.test('a connection window of 65535, with which each begins, is not announced', async (t) => {
  const frames = sessionOf({ ...serverSettings, connectionWindowBytes: 65_535 }).sent();
  t.same(
    frames.map((frame) => frame.type),
    [frameTypes.SETTINGS],
  );
});

t.test('a connection window grows by what it lacks of its new size', async (t) => {
  const { session, sent } = sessionOf(serverSettings);
  sent();
  const { sizeBytes, announcedBytes } = session.receiveWindow;
  t.equal(sizeBytes, 1 << 20);
  session.resizeWindow(3 << 20);
  session.resizeWindow(3 << 20);
  t.same(
    sent().map(({ type, streamId, payload }) => ({ type, streamId, increment: payload.readUInt32BE(0) })),
    [{ type: frameTypes.WINDOW_UPDATE, streamId: 0, increment: 2 << 20 }],
  );
  t.equal(session.receiveWindow.sizeBytes, 3 << 20);
  t.equal(session.receiveWindow.announcedBytes, announcedBytes + (2 << 20));
});

t.test('a conversation gives the same events however its bytes are cut', async (t) => {
  const bytes = Buffer.concat([
    clientPreface,
    settings('000400100000'),
    request(1),
    data(1, 3),
    encodePing(Buffer.from('abcdefgh'), 'ping'),
    request(3, 'end-stream'),
    data(1, 2, flags.END_STREAM),
    encodeResetStream(3, errorCodes.CANCEL),
  ]);
  const whole = [
    'ready',
    'request CONNECT 10.0.0.9:80',
    'request CONNECT 10.0.0.9:80',
    '#3 end',
    '#1 end',
    '#3 gone reset 8',
  ];
  const withoutData = (log: string[]) => log.filter((line) => !line.includes('data'));
  const random = randomFrom(5);
  for (let round = 0; round < 100; round++) {
    const { session, log } = sessionOf(serverSettings);
    for (let at = 0; at < bytes.length; ) {
      const next = round === 0 ? at + 1 : at + 1 + Math.floor(random() * 50);
      session.receive(Buffer.from(bytes.subarray(at, next)));
      at = next;
    }
    t.same(withoutData(log), whole);
    const delivered = log.filter((line) => line.includes('data')).map((line) => Number(line.split(' ').at(-1)));
    t.equal(
      delivered.reduce((sum, length) => sum + length, 0),
      5,
    );
  }
});

const hostile: [title: string, bytes: Buffer, code: string][] = [
  ['SETTINGS on a stream', encodeFrame(frameTypes.SETTINGS, 0, 1, Buffer.alloc(0)), 'PROTOCOL_ERROR'],
  ['SETTINGS of five bytes', settings('0003000000'), 'FRAME_SIZE_ERROR'],
  [
    'SETTINGS with ACK and a payload',
    encodeFrame(frameTypes.SETTINGS, flags.ACK, 0, Buffer.alloc(6)),
    'FRAME_SIZE_ERROR',
  ],
  ['an initial window above 2^31-1', settings('000480000000'), 'FLOW_CONTROL_ERROR'],
  ['a frame size below 16384', settings('000500003fff'), 'PROTOCOL_ERROR'],
  ['ENABLE_PUSH of 2', settings('000200000002'), 'PROTOCOL_ERROR'],
  ['SETTINGS of 100 entries', settings('00aa00000000'.repeat(100)), 'ENHANCE_YOUR_CALM'],
  ['PING of seven bytes', encodeFrame(frameTypes.PING, 0, 0, Buffer.alloc(7)), 'FRAME_SIZE_ERROR'],
  ['PING on a stream', encodeFrame(frameTypes.PING, 0, 1, Buffer.alloc(8)), 'PROTOCOL_ERROR'],
  ['GOAWAY on a stream', encodeFrame(frameTypes.GOAWAY, 0, 1, Buffer.alloc(8)), 'PROTOCOL_ERROR'],
  ['GOAWAY of seven bytes', encodeFrame(frameTypes.GOAWAY, 0, 0, Buffer.alloc(7)), 'FRAME_SIZE_ERROR'],
  ['WINDOW_UPDATE of three bytes', encodeFrame(frameTypes.WINDOW_UPDATE, 0, 0, Buffer.alloc(3)), 'FRAME_SIZE_ERROR'],
  ['WINDOW_UPDATE of 0 for the connection', encodeWindowUpdate(0, 0), 'PROTOCOL_ERROR'],
  ['a connection window above 2^31-1', encodeWindowUpdate(0, 0x7fffffff), 'FLOW_CONTROL_ERROR'],
  ['WINDOW_UPDATE on an idle stream', encodeWindowUpdate(9, 1), 'PROTOCOL_ERROR'],
  ['RST_STREAM on stream 0', encodeResetStream(0, 8), 'PROTOCOL_ERROR'],
  ['RST_STREAM on an idle stream', encodeResetStream(9, 8), 'PROTOCOL_ERROR'],
  ['RST_STREAM of five bytes', encodeFrame(frameTypes.RST_STREAM, 0, 1, Buffer.alloc(5)), 'FRAME_SIZE_ERROR'],
  ['PRIORITY of four bytes', encodeFrame(frameTypes.PRIORITY, 0, 1, Buffer.alloc(4)), 'FRAME_SIZE_ERROR'],
  ['PUSH_PROMISE', encodeFrame(frameTypes.PUSH_PROMISE, flags.END_HEADERS, 1, Buffer.alloc(4)), 'PROTOCOL_ERROR'],
  ['DATA on stream 0', data(0, 1), 'PROTOCOL_ERROR'],
  ['DATA on an idle stream', data(9, 1), 'PROTOCOL_ERROR'],
  [
    'DATA with more padding than payload',
    encodeFrame(frameTypes.DATA, flags.PADDED, 1, Buffer.from([5, 0, 0])),
    'PROTOCOL_ERROR',
  ],
  ['padded DATA without a byte', encodeFrame(frameTypes.DATA, flags.PADDED, 1, Buffer.alloc(0)), 'FRAME_SIZE_ERROR'],
  ['HEADERS on an even stream', request(2), 'PROTOCOL_ERROR'],
  ['HEADERS on stream 0', request(0), 'PROTOCOL_ERROR'],
  ['HEADERS that cannot be decoded', encodeHeaders(3, Buffer.from('80', 'hex'), 'more', 16_384), 'COMPRESSION_ERROR'],
  [
    'HEADERS too short for their flags',
    encodeFrame(frameTypes.HEADERS, flags.PRIORITY | flags.END_HEADERS, 3, Buffer.alloc(4)),
    'FRAME_SIZE_ERROR',
  ],
  [
    'HEADERS with more padding than payload',
    encodeFrame(frameTypes.HEADERS, flags.PADDED | flags.END_HEADERS, 3, Buffer.from([9, 0x88])),
    'PROTOCOL_ERROR',
  ],
  [
    'CONTINUATION without HEADERS',
    encodeFrame(frameTypes.CONTINUATION, flags.END_HEADERS, 1, Buffer.alloc(1)),
    'PROTOCOL_ERROR',
  ],
  [
    'another frame inside a header block',
    Buffer.concat([encodeFrame(frameTypes.HEADERS, 0, 3, Buffer.alloc(1)), encodePing(Buffer.alloc(8), 'ping')]),
    'PROTOCOL_ERROR',
  ],
  [
    'CONTINUATION of another stream',
    Buffer.concat([
      encodeFrame(frameTypes.HEADERS, 0, 3, Buffer.alloc(1)),
      encodeFrame(frameTypes.CONTINUATION, flags.END_HEADERS, 1, Buffer.alloc(1)),
    ]),
    'PROTOCOL_ERROR',
  ],
  [
    'a header block without end',
    Buffer.concat([
      encodeFrame(frameTypes.HEADERS, 0, 3, Buffer.alloc(1)),
      ...Array.from({ length: 40 }, () => encodeFrame(frameTypes.CONTINUATION, 0, 3, Buffer.alloc(0))),
    ]),
    'ENHANCE_YOUR_CALM',
  ],
  [
    'a header block above the limit',
    Buffer.concat([
      encodeFrame(frameTypes.HEADERS, 0, 3, Buffer.alloc(60_000)),
      encodeFrame(frameTypes.CONTINUATION, flags.END_HEADERS, 3, Buffer.alloc(10_000)),
    ]),
    'ENHANCE_YOUR_CALM',
  ],
  ['a frame of 2 MiB', Buffer.from('200000000000000001', 'hex'), 'FRAME_SIZE_ERROR'],
  [
    'floods of PING',
    Buffer.concat(Array.from({ length: 1001 }, () => encodePing(Buffer.alloc(8), 'ping'))),
    'ENHANCE_YOUR_CALM',
  ],
  ['floods of SETTINGS', Buffer.concat(Array.from({ length: 101 }, () => settings())), 'ENHANCE_YOUR_CALM'],
  ['floods of empty DATA', Buffer.concat(Array.from({ length: 1001 }, () => data(1, 0))), 'ENHANCE_YOUR_CALM'],
  [
    'floods of DATA that is all padding',
    Buffer.concat(
      Array.from({ length: 1001 }, () => encodeFrame(frameTypes.DATA, flags.PADDED, 1, Buffer.from([1, 0]))),
    ),
    'ENHANCE_YOUR_CALM',
  ],
  [
    'floods of answers to PING that nobody sent',
    Buffer.concat(Array.from({ length: 10_001 }, () => encodePing(Buffer.alloc(8), 'ack'))),
    'ENHANCE_YOUR_CALM',
  ],
  [
    'floods of answers to SETTINGS',
    Buffer.concat(
      Array.from({ length: 10_001 }, () => encodeFrame(frameTypes.SETTINGS, flags.ACK, 0, Buffer.alloc(0))),
    ),
    'ENHANCE_YOUR_CALM',
  ],
  [
    'windows that grow and grow while nothing is sent',
    Buffer.concat(Array.from({ length: 50_001 }, (_, index) => encodeWindowUpdate(index % 2, 1))),
    'ENHANCE_YOUR_CALM',
  ],
  [
    'floods of PRIORITY',
    Buffer.concat(Array.from({ length: 10_001 }, () => encodeFrame(frameTypes.PRIORITY, 0, 1, Buffer.alloc(5)))),
    'ENHANCE_YOUR_CALM',
  ],
  [
    'rapid resets',
    Buffer.concat(
      Array.from({ length: 2001 }, (_, index) => [request(3 + 2 * index), encodeResetStream(3 + 2 * index, 8)]).flat(),
    ),
    'ENHANCE_YOUR_CALM',
  ],
];
for (const [title, bytes, code] of hostile) {
  t.test(`${title} ends the connection with ${code}`, async (t) => {
    const { session, log, sent, streams } = servingSession();
    session.receive(bytes);
    t.ok(log.includes(`fault ${code}`), String(log.at(-1)));
    const goAway = sent().find((frame) => frame.type === frameTypes.GOAWAY);
    t.equal(goAway?.payload.readUInt32BE(4), errorCodes[code as keyof typeof errorCodes]);
    t.equal(session.streams.size, 0);
    t.equal(session.state, 'failed');
    session.receive(request(99));
    const [stream] = streams;
    if (stream) t.equal(session.write(stream, Buffer.from('x')), false, 'nothing more is taken');
  });
}

t.test('a first frame that is no SETTINGS, and bytes that are no preface, end the connection', async (t) => {
  const early = sessionOf(serverSettings);
  early.session.receive(Buffer.concat([clientPreface, encodePing(Buffer.alloc(8), 'ping')]));
  t.same(early.log, ['fault PROTOCOL_ERROR']);
  const http1 = sessionOf(serverSettings);
  http1.session.receive(Buffer.from('PRI'));
  http1.session.receive(Buffer.from('NT / HTTP/1.1\r\n'));
  t.same(http1.log, ['fault PROTOCOL_ERROR']);
  const client = sessionOf(clientSettings);
  client.session.receive(settings());
  client.session.receive(request(2));
  t.same(client.log, ['ready', 'fault PROTOCOL_ERROR'], 'a server that opens a stream');
});

const strays: [title: string, bytes: Buffer, code: keyof typeof errorCodes][] = [
  ['DATA after END_STREAM', Buffer.concat([data(1, 1, flags.END_STREAM), data(1, 1)]), 'STREAM_CLOSED'],
  ['a second head', request(1), 'PROTOCOL_ERROR'],
  ['WINDOW_UPDATE of 0', encodeWindowUpdate(1, 0), 'PROTOCOL_ERROR'],
  ['a stream window above 2^31-1', encodeWindowUpdate(1, 0x7fffffff), 'FLOW_CONTROL_ERROR'],
  [
    'DATA beyond the stream window',
    Buffer.concat(Array.from({ length: 5 }, () => data(1, 1 << 20))),
    'FLOW_CONTROL_ERROR',
  ],
];
for (const [title, bytes, code] of strays) {
  t.test(`${title} ends that stream alone, with ${code}`, async (t) => {
    const { session, log, sent } = servingSession(2);
    session.receive(bytes);
    t.ok(log.includes('#1 gone lost'));
    const reset = sent().find((frame) => frame.type === frameTypes.RST_STREAM);
    t.same([reset?.streamId, reset?.payload.readUInt32BE(0)], [1, errorCodes[code]]);
    t.equal(session.state, 'open');
    session.receive(data(3, 1));
    t.equal(log.at(-1), '#3 data 1');
  });
}

const refused: [title: string, fields: readonly (readonly [string, string])[], code: keyof typeof errorCodes][] = [
  ['no method', [[':authority', 'a:1']], 'PROTOCOL_ERROR'],
  ['a path in CONNECT', [...connectFields, [':path', '/']], 'PROTOCOL_ERROR'],
  ['an unknown pseudo-header', [...connectFields, [':protocol', 'x']], 'PROTOCOL_ERROR'],
  ['a pseudo-header twice', [...connectFields, [':authority', 'b:1']], 'PROTOCOL_ERROR'],
  ['a pseudo-header after others', [['a', 'b'], ...connectFields], 'PROTOCOL_ERROR'],
  ['an upper-case name', [...connectFields, ['Baggage', 'x']], 'PROTOCOL_ERROR'],
  ['a line break in a value', [...connectFields, ['x', 'a\r\nb']], 'PROTOCOL_ERROR'],
  ['a connection field', [...connectFields, ['connection', 'close']], 'PROTOCOL_ERROR'],
  [
    'more than 65536 bytes',
    [...connectFields, ...Array.from({ length: 1990 }, () => ['x', 'y'] as const)],
    'ENHANCE_YOUR_CALM',
  ],
];
for (const [title, list, code] of refused) {
  t.test(`a request with ${title} is refused with ${code}, and the next is served`, async (t) => {
    const { session, log, sent } = servingSession(0);
    session.receive(encodeHeaders(1, encodeFields(list, 'later'), 'more', 1 << 20));
    t.same(log, []);
    const [reset] = sent();
    t.same([reset?.type, reset?.payload.readUInt32BE(0)], [frameTypes.RST_STREAM, errorCodes[code]]);
    session.receive(request(3));
    t.same(log, ['request CONNECT 10.0.0.9:80']);
  });
}

t.test('other methods and missing authorities reach the owner', async (t) => {
  const { session, log } = servingSession(0);
  const get = [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'a'],
  ] as const;
  session.receive(encodeHeaders(1, encodeFields(get, 'later'), 'end-stream', 16_384));
  session.receive(encodeHeaders(3, encodeFields([[':method', 'CONNECT']], 'later'), 'more', 16_384));
  t.same(log, ['request GET a', '#1 end', 'request CONNECT ']);
});

t.test('the 201st stream is refused, and one is taken again when another ends', async (t) => {
  const { session, log, sent } = servingSession(201);
  t.equal(session.streams.size, 200);
  session.receive(encodeResetStream(1, errorCodes.CANCEL));
  session.receive(request(403));
  t.equal(session.streams.size, 200);
  t.equal(log.at(-1), 'request CONNECT 10.0.0.9:80');
  t.notOk(sent().some((frame) => frame.type === frameTypes.RST_STREAM));
});

t.test('DATA is cut to the windows and frame size of the peer, and goes on when they grow', async (t) => {
  const { session, stream, sent } = dialledSession('000400008000');
  const payload = Buffer.alloc(100_000, 1);
  t.equal(session.write(stream, payload), true);
  session.end(stream);
  const lengths = () =>
    sent()
      .filter((frame) => frame.type === frameTypes.DATA)
      .map((frame) => frame.payload.length);
  t.same(lengths(), [16_384, 16_384], 'the stream window of 32768, in frames of 16384');
  t.same(lengths(), []);
  session.receive(encodeWindowUpdate(1, 1_000_000));
  t.same(lengths(), [16_384, 16_383], 'the connection window of 65535');
  session.receive(encodeWindowUpdate(0, 1_000_000));
  const rest = sent().filter((frame) => frame.type === frameTypes.DATA);
  t.equal(
    rest.reduce((sum, frame) => sum + frame.payload.length, 0),
    100_000 - 65_535,
  );
  t.same(
    rest.map((frame) => frame.flags),
    [0, 0, flags.END_STREAM],
  );
});

t.test('SETTINGS that shrink the window below zero stop a stream until it is positive again', async (t) => {
  const { session, stream, sent } = dialledSession('000400008000');
  session.write(stream, Buffer.alloc(32_768));
  sent();
  session.receive(settings('000400000000'));
  session.write(stream, Buffer.alloc(10));
  sent();
  session.receive(encodeWindowUpdate(1, 32_768));
  t.equal(sent().filter((frame) => frame.type === frameTypes.DATA).length, 0);
  session.receive(encodeWindowUpdate(1, 4));
  t.same(
    sent().map((frame) => frame.payload.length),
    [4],
  );
});

t.test('a writer is told to wait at 256 KiB and to go on below 128 KiB', async (t) => {
  const { session, stream, log, sent } = dialledSession();
  t.equal(session.write(stream, Buffer.alloc(200_000)), true);
  t.equal(session.write(stream, Buffer.alloc(200_000)), false);
  sent();
  t.same(log, []);
  session.receive(Buffer.concat([encodeWindowUpdate(0, 1 << 20), encodeWindowUpdate(1, 1 << 20)]));
  sent();
  t.same(log, ['#1 writable']);
});

t.test('credit is announced at half a window, for stream and connection', async (t) => {
  const { session, sent, streams } = servingSession();
  const [stream] = streams;
  if (!stream) throw new Error('no stream');
  const halfConnection = 1 << 19;
  session.receive(data(1, halfConnection - 1));
  t.same(sent(), []);
  session.receive(data(1, 1));
  t.match(sent(), [{ type: frameTypes.WINDOW_UPDATE, streamId: 0 }]);
  for (let count = 1; count < 4; count++) session.receive(data(1, halfConnection));
  sent();
  session.consume(stream, (2 << 20) - 1);
  t.same(sent(), []);
  session.consume(stream, 1);
  t.match(sent(), [{ type: frameTypes.WINDOW_UPDATE, streamId: 1 }]);
});

t.test('the credit of streams that are reset with unread bytes returns to the connection', async (t) => {
  const { session, sent, log } = servingSession(0);
  // 100 streams of 1 MiB each, unread, are more than all that a connection may hold.
  for (let id = 1; id < 200; id += 2) {
    session.receive(request(id));
    session.receive(data(id, 1 << 20));
    session.receive(encodeResetStream(id, errorCodes.CANCEL));
  }
  t.notOk(log.some((line) => line.startsWith('fault')));
  t.ok(sent().some((frame) => frame.type === frameTypes.WINDOW_UPDATE && frame.streamId === 0));
});

t.test('DATA for a stream that we have reset is dropped, and its credit returns to the connection', async (t) => {
  const { session, sent, streams, log } = servingSession();
  const [stream] = streams;
  if (!stream) throw new Error('no stream');
  session.reset(stream, 'CANCEL');
  for (let count = 0; count < 40; count++) session.receive(data(1, 1 << 20));
  t.same(log, []);
  const credit = sent().filter((frame) => frame.type === frameTypes.WINDOW_UPDATE);
  t.ok(credit.reduce((sum, frame) => sum + frame.payload.readUInt32BE(0), 0) >= 32 << 20);
});

t.test('credit of the connection is the same in the end, ahead of readers or after them', async (t) => {
  const { session, streams, sent } = servingSession(20);
  for (let count = 0; count < 33; count++) session.receive(data(1 + 2 * Math.floor(count / 4), 1 << 20));
  for (const stream of streams) session.consume(stream, stream.unconsumedBytes);
  const credit = sent().filter((frame) => frame.type === frameTypes.WINDOW_UPDATE && frame.streamId === 0);
  t.equal(
    credit.reduce((sum, frame) => sum + frame.payload.readUInt32BE(0), 0),
    33 << 20,
  );
});

t.test('DATA beyond the connection window ends the connection', async (t) => {
  const { session, log } = servingSession(20);
  // 1 MiB of window and 32 MiB of credit ahead of paused readers.
  for (let count = 0; count < 33; count++) session.receive(data(1 + 2 * Math.floor(count / 4), 1 << 20));
  t.notOk(log.some((line) => line.startsWith('fault')));
  session.receive(data(31, 1));
  t.equal(log.at(-1), 'fault FLOW_CONTROL_ERROR');
});

t.test('padding counts against the windows but is no data', async (t) => {
  const { session, log } = servingSession();
  const padded = Buffer.concat([Buffer.from([3]), Buffer.from('hello'), Buffer.alloc(3)]);
  const frame = encodeFrame(frameTypes.DATA, flags.PADDED | flags.END_STREAM, 1, padded);
  for (const byte of frame) session.receive(Buffer.from([byte]));
  t.same(log, [...Array.from({ length: 5 }, () => '#1 data 1'), '#1 end']);
});

t.test('streams share a turn: a bulk stream does not keep a small one waiting', async (t) => {
  const end = sessionOf(clientSettings);
  end.session.receive(settings('000400100000'));
  end.session.receive(encodeWindowUpdate(0, 1 << 24));
  const bulk = end.session.open(connectFields, end.eventsOf('#1'));
  const small = end.session.open(connectFields, end.eventsOf('#3'));
  if (!bulk || !small) throw new Error('no stream');
  end.sent();
  end.session.write(bulk, Buffer.alloc(1_000_000));
  end.session.write(small, Buffer.alloc(10));
  const order = end.sent().map((frame) => frame.streamId);
  t.equal(order.indexOf(3), 0);
});

t.test(
  'bulk that has used up the connection window leaves room for a message, and goes on with the next credit',
  async (t) => {
    const end = sessionOf(clientSettings);
    end.session.receive(settings('00047fffffff000500100000'));
    end.session.receive(encodeWindowUpdate(0, (1 << 20) - 65_535));
    const bulk = end.session.open(connectFields, end.eventsOf('#1'));
    const small = end.session.open(connectFields, end.eventsOf('#3'));
    if (!bulk || !small) throw new Error('no stream');
    end.session.write(bulk, Buffer.alloc(2 << 20));
    const dataOf = (streamId: number): number =>
      end
        .sent()
        .filter((frame) => frame.type === frameTypes.DATA && frame.streamId === streamId)
        .reduce((sum, { payload }) => sum + payload.length, 0);
    t.equal(dataOf(1), (1 << 20) - 32_768);
    end.session.write(small, Buffer.alloc(1_024));
    t.equal(dataOf(3), 1_024);
    end.session.receive(encodeWindowUpdate(0, 1 << 19));
    t.equal(dataOf(1), (1 << 19) - 1_024);
  },
);

t.test('a message goes before what is in line with more, and many messages leave room for bulk', async (t) => {
  const { session, streams } = servingSession(80);
  session.receive(Buffer.concat([settings('00047fffffff000500100000'), encodeWindowUpdate(0, 1 << 28)]));
  for (const [index, stream] of streams.entries()) session.write(stream, Buffer.alloc(index === 0 ? 250_000 : 10_000));
  const write = framesIn(Buffer.concat(session.takeOutput(512 * 1024))).filter(({ type }) => type === frameTypes.DATA);
  const bulk = write.findIndex(({ streamId }) => streamId === 1);
  t.equal(bulk, 27, 'messages have the first half of a write of 512 KiB');
  t.equal(write[bulk]?.payload.length, 250_000);
});

t.test('GOAWAY fails the streams after its last as unprocessed, and the earlier ones finish', async (t) => {
  const end = sessionOf(clientSettings);
  end.session.receive(settings());
  end.session.open(connectFields, end.eventsOf('#1'));
  end.session.open(connectFields, end.eventsOf('#3'));
  end.session.receive(encodeGoAway(1, 0, ''));
  t.same(end.log, ['ready', '#3 gone lost', 'goaway 1 0']);
  t.equal(end.session.canOpen, false);
  end.session.receive(encodeHeaders(1, Buffer.from('88', 'hex'), 'end-stream', 16_384));
  t.same(end.log.slice(3), ['#1 response 200', '#1 end']);
});

t.test('a drain is announced first; new streams are refused only after it', async (t) => {
  const { session, log, sent } = servingSession();
  session.announceDrain();
  session.receive(request(3));
  t.equal(log.at(-1), 'request CONNECT 10.0.0.9:80');
  session.drain();
  session.receive(request(5));
  const frames = sent();
  const lastStreams = frames
    .filter((frame) => frame.type === frameTypes.GOAWAY)
    .map((frame) => frame.payload.readUInt32BE(0));
  t.same(lastStreams, [0x7fffffff, 3]);
  t.match(frames.at(-1), { type: frameTypes.RST_STREAM, streamId: 5 });
  session.receive(data(1, 5));
  t.equal(log.at(-1), '#1 data 5');
});

t.test('interim responses are skipped, and trailers end a stream', async (t) => {
  const end = sessionOf(clientSettings);
  end.session.receive(settings());
  end.session.open(connectFields, end.eventsOf('#1'));
  end.session.receive(encodeHeaders(1, encodeFields([[':status', '103']], 'later'), 'more', 16_384));
  end.session.receive(encodeHeaders(1, Buffer.from('88', 'hex'), 'more', 16_384));
  end.session.receive(encodeHeaders(1, encodeFields([['grpc-status', '0']], 'later'), 'end-stream', 16_384));
  t.same(end.log, ['ready', '#1 response 200', '#1 end']);
});

t.test('windows may be given byte by byte to who sends', async (t) => {
  const { session, stream, log, sent } = dialledSession('000400000001');
  for (let count = 0; count < 60_000; count++) {
    if (count % 30_000 === 0) session.write(stream, Buffer.alloc(30_000));
    sent();
    session.receive(encodeWindowUpdate(1, 1));
  }
  t.notOk(log.some((line) => line.startsWith('fault')));
});

t.test('the peer decides how many streams we open', async (t) => {
  const end = sessionOf(clientSettings);
  end.session.receive(settings('000300000001'));
  t.ok(end.session.open(connectFields, end.eventsOf('#1')));
  t.equal(end.session.open(connectFields, end.eventsOf('#3')), undefined);
});

t.test('a peer that asks on and on but does not read the answers is told to calm down', async (t) => {
  const { session, log, streams } = servingSession(0);
  let id = 1;
  for (; session.state === 'open' && id < 40_000; id += 2) {
    session.receive(request(id));
    const stream = streams.pop();
    if (stream) session.respond(stream, [[':status', '400']], 'end-stream');
  }
  t.equal(log.at(-1), 'fault ENHANCE_YOUR_CALM');
  t.ok(session.unsentControlFrames <= 10_003, `${session.unsentControlFrames} frames wait`);
});

t.test('random frames never throw, and end in GOAWAY or nothing', async (t) => {
  const random = randomFrom(23);
  for (let round = 0; round < 500; round++) {
    const { session } = servingSession(3);
    for (let count = 0; count < 20; count++) {
      const payload = Buffer.from(Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256)));
      session.receive(
        encodeFrame(Math.floor(random() * 11), Math.floor(random() * 256), Math.floor(random() * 8), payload),
      );
    }
    session.takeOutput(1 << 20);
    t.ok(['open', 'draining', 'failed'].includes(session.state));
  }
});
