// Puts a header block together from HEADERS and CONTINUATION (RFC 9113 §4.3, §6.2, §6.10), within bounds.
// In: frames. Out: the whole block, 'more' while pieces are due, or a fault.
import { type ConnectionFault, fault } from './error-code.ts';
import { type FrameHeader, flags, frameTypes } from './frame-codec.ts';

/** Pieces of one block; a block of legal size needs few. */
const maxPieces = 32;

export interface HeaderBlock {
  readonly kind: 'block';
  readonly streamId: number;
  readonly end: 'end-stream' | 'more';
  readonly bytes: Buffer;
}

interface Assembly {
  readonly streamId: number;
  readonly end: 'end-stream' | 'more';
  readonly pieces: Buffer[];
  bytes: number;
}

export class HeaderBlockAssembler {
  private readonly maxBytes: number;
  private assembly: Assembly | undefined;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Nothing may come between the pieces of a block. */
  check(header: FrameHeader): ConnectionFault | undefined {
    const open = this.assembly;
    const isContinuation = header.type === frameTypes.CONTINUATION;
    if (!open) return isContinuation ? fault('PROTOCOL_ERROR', 'CONTINUATION without HEADERS') : undefined;
    if (isContinuation && header.streamId === open.streamId) return undefined;
    return fault('PROTOCOL_ERROR', `a frame of type ${header.type} inside the header block of stream ${open.streamId}`);
  }

  add(header: FrameHeader, payload: Buffer): HeaderBlock | 'more' | ConnectionFault {
    const piece = header.type === frameTypes.HEADERS ? stripHeadersFields(header, payload) : payload;
    if (!Buffer.isBuffer(piece)) return piece;
    const isLast = (header.flags & flags.END_HEADERS) !== 0;
    const { streamId } = header;
    const end = header.flags & flags.END_STREAM ? 'end-stream' : 'more';
    // Nearly every block is one piece.
    if (this.assembly === undefined && isLast && piece.length <= this.maxBytes) {
      return { kind: 'block', streamId, end, bytes: piece };
    }
    const open = this.assembly ?? { streamId, end, pieces: [], bytes: 0 };
    open.bytes += piece.length;
    if (open.bytes > this.maxBytes || open.pieces.length >= maxPieces) {
      return fault('ENHANCE_YOUR_CALM', `a header block above ${this.maxBytes} bytes or ${maxPieces} pieces`);
    }
    // A payload is valid only during the call, so an unfinished one is copied.
    open.pieces.push(isLast ? piece : Buffer.from(piece));
    if (!isLast) {
      this.assembly = open;
      return 'more';
    }
    this.assembly = undefined;
    const bytes = open.pieces.length === 1 ? piece : Buffer.concat(open.pieces);
    return { kind: 'block', streamId: open.streamId, end: open.end, bytes };
  }
}

/** The block without padding and the (deprecated, ignored) priority. */
function stripHeadersFields(header: FrameHeader, payload: Buffer): Buffer | ConnectionFault {
  const isPadded = (header.flags & flags.PADDED) !== 0;
  const start = (isPadded ? 1 : 0) + (header.flags & flags.PRIORITY ? 5 : 0);
  if (payload.length < start)
    return fault('FRAME_SIZE_ERROR', `HEADERS of ${payload.length} bytes is too short for its flags`);
  const padding = isPadded ? (payload[0] ?? 0) : 0;
  if (start + padding > payload.length) return fault('PROTOCOL_ERROR', 'HEADERS with more padding than payload');
  return start === 0 ? payload : payload.subarray(start, payload.length - padding);
}
