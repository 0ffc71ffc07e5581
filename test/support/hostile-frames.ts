// Frames of peers that abuse HTTP/2, for tests, and a service that leaves them hanging.
import type { ConnectRequest } from '../../common/hbone/hbone.ts';
import { encodeFrame, encodeHeaders } from '../../common/http2/frame-codec.ts';
import { encodeFields } from '../../common/http2/hpack-codec.ts';
import { echo } from './tunnel-ends.ts';

export type Frames = Iterable<Buffer>;

export const connectBlock: Buffer = encodeFields(
  [
    [':method', 'CONNECT'],
    [':authority', '10.0.0.9:80'],
  ],
  'later',
);
export const request = (id: number, block = connectBlock): Buffer => encodeHeaders(id, block, 'more', 16_384);
export const part = (type: number, id: number, bytes: number, frameFlags = 0): Buffer =>
  encodeFrame(type, frameFlags, id, Buffer.alloc(bytes));

/** Many times, in writes of some 128 KiB. */
export function* times(count: number, frame: (index: number) => Buffer): Generator<Buffer> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for (let index = 0; index < count; index++) {
    const next = frame(index);
    parts.push(next);
    bytes += next.length;
    if (bytes < 128 * 1024 && index + 1 < count) continue;
    yield Buffer.concat(parts);
    parts = [];
    bytes = 0;
  }
}

/** A field of almost a whole table, to be named by one byte (0xbe) from now on. */
export const bigField: Buffer = Buffer.concat([Buffer.from('4001617fa11e', 'hex'), Buffer.alloc(4_000, 0x62)]);
/** 40 MB of fields in one block. */
export const bomb: Buffer = Buffer.alloc(10_000, 0xbe);
/** The table emptied and opened again, over and over. */
export const resizes: Buffer = Buffer.concat(Array.from({ length: 1_000 }, () => Buffer.from('203fe11f', 'hex')));

/** Answers the echo; what else is asked for stays open until its peer has had enough. */
export const answerEcho = (asked: ConnectRequest): void => {
  if (asked.authority === 'echo:80') echo(asked);
};
