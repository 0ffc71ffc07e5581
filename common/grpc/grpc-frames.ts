// Messages of a gRPC stream out of its bytes, and into them: five bytes of prefix, then the message (gRPC over HTTP/2,
// "Length-Prefixed-Message"). A message stays in the pieces in which it came.
import { MeshError } from '../errors.ts';

/** One message: its bytes in order, as views of what was received. */
export type GrpcMessage = readonly Uint8Array[];

/** Whether it is compressed, and how long it is. */
export const prefixBytes = 5;

export function frameMessage(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(prefixBytes + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, prefixBytes);
  return frame;
}

export class GrpcFrameReader {
  readonly #maxBytes: number;
  readonly #prefix = Buffer.alloc(prefixBytes);
  #prefixRead = 0;
  #pieces: Uint8Array[] = [];
  /** Of the message that is being read. */
  #left = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The messages that this chunk ends. @throws MeshError RESOURCE_INVALID when one is too large, or compressed */
  read(chunk: Uint8Array): readonly GrpcMessage[] {
    const messages: GrpcMessage[] = [];
    for (let at = 0; at < chunk.length; ) {
      at += this.#prefixRead < prefixBytes ? this.#readPrefix(chunk, at) : this.#readPiece(chunk, at);
      if (this.#prefixRead < prefixBytes || this.#left > 0) continue;
      messages.push(this.#pieces);
      this.#pieces = [];
      this.#prefixRead = 0;
    }
    return messages;
  }

  #readPrefix(chunk: Uint8Array, at: number): number {
    const part = chunk.subarray(at, at + prefixBytes - this.#prefixRead);
    this.#prefix.set(part, this.#prefixRead);
    this.#prefixRead += part.length;
    if (this.#prefixRead < prefixBytes) return part.length;
    if (this.#prefix[0] !== 0) {
      throw new MeshError('RESOURCE_INVALID', 'the message is compressed, which we did not offer');
    }
    this.#left = this.#prefix.readUInt32BE(1);
    if (this.#left > this.#maxBytes) {
      const reason = `a message of ${this.#left} bytes is larger than the bound of ${this.#maxBytes}`;
      throw new MeshError('RESOURCE_INVALID', reason);
    }
    return part.length;
  }

  #readPiece(chunk: Uint8Array, at: number): number {
    const piece = chunk.subarray(at, at + this.#left);
    this.#pieces.push(piece);
    this.#left -= piece.length;
    return piece.length;
  }
}
