// HTTP/2 frames (RFC 9113 §4, §6): bytes to frames and back. In: chunks as they come, cut anywhere. Out: one event a frame;
// the payload of DATA is passed on piece by piece as it arrives, never collected; any other frame is collected and bounded.
import { lendPart } from '../net/read-buffers.ts';
import { type ConnectionFault, fault } from './error-code.ts';

export const frameTypes = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const;

export const flags = { END_STREAM: 0x1, ACK: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const;

export const frameHeaderBytes = 9;
export const clientPreface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
/** Every frame but DATA is collected whole, so it may not be larger than this, whatever frame size we allow. */
export const maxCollectedFrameBytes = 128 * 1024;

export interface FrameHeader {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
}

export interface FrameEvents {
  /** A frame begins. A fault ends the decoding: nothing more is delivered. */
  onFrameHeader(header: FrameHeader): ConnectionFault | undefined;
  /** Raw payload of the DATA frame at hand, padding included; `remaining` bytes of it are still to come. */
  onDataPayload(piece: Buffer, remaining: number): ConnectionFault | undefined;
  /** The whole payload of any other frame; only valid during the call. */
  onFrame(header: FrameHeader, payload: Buffer): ConnectionFault | undefined;
}

const noHeader: FrameHeader = { length: 0, type: 0, flags: 0, streamId: 0 };

export class FrameDecoder {
  private readonly events: FrameEvents;
  private readonly maxFrameBytes: number;
  private state: 'header' | 'data' | 'payload' | 'failed' = 'header';
  private readonly headerBytes = Buffer.alloc(frameHeaderBytes);
  private headerFilled = 0;
  private header = noHeader;
  private payload = Buffer.alloc(0);
  /** Bytes of the current payload that are still missing. */
  private missing = 0;

  constructor(maxFrameBytes: number, events: FrameEvents) {
    this.maxFrameBytes = maxFrameBytes;
    this.events = events;
  }

  /** Decodes all of it; the fault that ended the decoding, if any. */
  push(chunk: Buffer): ConnectionFault | undefined {
    let at = 0;
    while (at < chunk.length && this.state !== 'failed') {
      const before = at;
      let error: ConnectionFault | undefined;
      if (this.state === 'header') {
        at = this.fillHeader(chunk, at);
        if (this.headerFilled === frameHeaderBytes) error = this.beginFrame();
      } else {
        at = Math.min(chunk.length, at + this.missing);
        this.missing -= at - before;
        error = this.state === 'data' ? this.passData(chunk, before, at) : this.collect(chunk, before, at);
      }
      if (error) {
        this.state = 'failed';
        return error;
      }
    }
    return undefined;
  }

  private fillHeader(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + frameHeaderBytes - this.headerFilled);
    chunk.copy(this.headerBytes, this.headerFilled, at, end);
    this.headerFilled += end - at;
    return end;
  }

  private beginFrame(): ConnectionFault | undefined {
    this.headerFilled = 0;
    const header = readFrameHeader(this.headerBytes);
    this.header = header;
    const limit =
      header.type === frameTypes.DATA ? this.maxFrameBytes : Math.min(this.maxFrameBytes, maxCollectedFrameBytes);
    if (header.length > limit) {
      return fault(
        'FRAME_SIZE_ERROR',
        `a frame of type ${header.type} has ${header.length} bytes; ${limit} are allowed`,
      );
    }
    const error = this.events.onFrameHeader(header);
    if (error) return error;
    this.missing = header.length;
    if (header.type === frameTypes.DATA) {
      if (header.length === 0) return this.events.onDataPayload(noBytes, 0);
      this.state = 'data';
      return undefined;
    }
    if (header.length === 0) return this.events.onFrame(header, noBytes);
    this.state = 'payload';
    return undefined;
  }

  private passData(chunk: Buffer, from: number, to: number): ConnectionFault | undefined {
    if (this.missing === 0) this.state = 'header';
    return this.events.onDataPayload(lendPart(chunk, from, to), this.missing);
  }

  private collect(chunk: Buffer, from: number, to: number): ConnectionFault | undefined {
    const { length } = this.header;
    if (to - from === length) {
      this.state = 'header';
      return this.events.onFrame(this.header, chunk.subarray(from, to));
    }
    const filled = length - this.missing - (to - from);
    if (filled === 0) this.payload = Buffer.allocUnsafe(length);
    chunk.copy(this.payload, filled, from, to);
    if (this.missing > 0) return undefined;
    this.state = 'header';
    const payload = this.payload;
    this.payload = noBytes;
    return this.events.onFrame(this.header, payload);
  }
}

const noBytes = Buffer.alloc(0);

export function readFrameHeader(bytes: Buffer): FrameHeader {
  return {
    length: bytes.readUIntBE(0, 3),
    type: bytes.readUInt8(3),
    flags: bytes.readUInt8(4),
    streamId: bytes.readUInt32BE(5) & 0x7fffffff,
  };
}

/** Writes the 9 bytes at `offset`. */
export function writeFrameHeader(into: Buffer, offset: number, header: FrameHeader): void {
  into.writeUIntBE(header.length, offset, 3);
  into.writeUInt8(header.type, offset + 3);
  into.writeUInt8(header.flags, offset + 4);
  into.writeUInt32BE(header.streamId, offset + 5);
}

export function encodeFrame(type: number, frameFlags: number, streamId: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
  writeFrameHeader(frame, 0, { length: payload.length, type, flags: frameFlags, streamId });
  frame.set(payload, frameHeaderBytes);
  return frame;
}

function encodeNumber(type: number, streamId: number, value: number): Buffer {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32BE(value);
  return encodeFrame(type, 0, streamId, payload);
}

export function encodeResetStream(streamId: number, code: number): Buffer {
  return encodeNumber(frameTypes.RST_STREAM, streamId, code);
}

/** @param streamId 0 for the connection's window */
export function encodeWindowUpdate(streamId: number, increment: number): Buffer {
  return encodeNumber(frameTypes.WINDOW_UPDATE, streamId, increment);
}

/** @param opaque exactly 8 bytes */
export function encodePing(opaque: Uint8Array, kind: 'ping' | 'ack'): Buffer {
  return encodeFrame(frameTypes.PING, kind === 'ack' ? flags.ACK : 0, 0, opaque);
}

export function encodeGoAway(lastStreamId: number, code: number, detail: string): Buffer {
  const text = Buffer.from(detail.slice(0, 200), 'latin1');
  const payload = Buffer.allocUnsafe(8 + text.length);
  payload.writeUInt32BE(lastStreamId, 0);
  payload.writeUInt32BE(code, 4);
  payload.set(text, 8);
  return encodeFrame(frameTypes.GOAWAY, 0, 0, payload);
}

/** A header block as HEADERS and as many CONTINUATIONs as the peer's frame size asks for. */
export function encodeHeaders(
  streamId: number,
  block: Buffer,
  end: 'end-stream' | 'more',
  maxFrameBytes: number,
): Buffer {
  const endStream = end === 'end-stream' ? flags.END_STREAM : 0;
  if (block.length <= maxFrameBytes) {
    return encodeFrame(frameTypes.HEADERS, endStream | flags.END_HEADERS, streamId, block);
  }
  const frames = [encodeFrame(frameTypes.HEADERS, endStream, streamId, block.subarray(0, maxFrameBytes))];
  for (let offset = maxFrameBytes; offset < block.length; offset += maxFrameBytes) {
    const isLast = offset + maxFrameBytes >= block.length;
    const piece = block.subarray(offset, offset + maxFrameBytes);
    frames.push(encodeFrame(frameTypes.CONTINUATION, isLast ? flags.END_HEADERS : 0, streamId, piece));
  }
  return Buffer.concat(frames);
}
