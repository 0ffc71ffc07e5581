// Reads the fields of a protobuf message that lies in pieces, as the network brought it: nothing is copied but a value that
// lies across two of them, so that a message of 40 MB costs no pause. In: the pieces. Out: field by field, what is asked for.
import { MeshError } from '../errors.ts';

const none = new Uint8Array();
const utf8 = new TextDecoder();

export interface FieldTag {
  readonly field: number;
  readonly wireType: number;
}

export class PieceReader {
  readonly #pieces: readonly Uint8Array[];
  readonly #length: number;
  #piece: Uint8Array = none;
  #next = 0;
  /** Position in the current piece. */
  #at = 0;
  #left: number;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
    this.#length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.#left = this.#length;
  }

  /** The next field; undefined at the end. @throws MeshError RESOURCE_INVALID */
  tag(): FieldTag | undefined {
    if (this.#left === 0) return undefined;
    const tag = this.#varint();
    if (tag >>> 3 === 0) throw this.#malformed('a field has the number 0');
    return { field: tag >>> 3, wireType: tag & 7 };
  }

  /** A length and so many bytes: a view where they lie in one piece. @throws MeshError RESOURCE_INVALID */
  bytes(): Uint8Array {
    const length = this.#lengthOf();
    if (this.#at + length <= this.#piece.length) {
      this.#left -= length;
      this.#at += length;
      return this.#piece.subarray(this.#at - length, this.#at);
    }
    const copy = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      const part = this.#take(length - filled);
      copy.set(part, filled);
      filled += part.length;
    }
    return copy;
  }

  text(): string {
    return utf8.decode(this.bytes());
  }

  /** @throws MeshError RESOURCE_INVALID */
  skip(wireType: number): void {
    if (wireType === 0) this.#varint();
    else if (wireType === 1) this.#skipBytes(8);
    else if (wireType === 2) this.#skipBytes(this.#lengthOf());
    else if (wireType === 5) this.#skipBytes(4);
    else throw this.#malformed(`a field has wire type ${wireType}`);
  }

  #lengthOf(): number {
    const length = this.#varint();
    if (length > this.#left) throw this.#malformed('a field reaches beyond its end');
    return length;
  }

  #skipBytes(count: number): void {
    if (count > this.#left) throw this.#malformed('a field reaches beyond its end');
    for (let left = count; left > 0; ) left -= this.#take(left).length;
  }

  /** 32 bits of it; the rest, of numbers that are none of ours, is dropped. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw this.#malformed('a number has more than ten bytes');
  }

  #byte(): number {
    if (this.#left === 0) throw this.#malformed('it ends inside a number');
    while (this.#at >= this.#piece.length) this.#advance();
    this.#left -= 1;
    return this.#piece[this.#at++] ?? 0;
  }

  /** At most so many bytes, at least one, all of one piece. */
  #take(most: number): Uint8Array {
    while (this.#at >= this.#piece.length) this.#advance();
    const end = Math.min(this.#piece.length, this.#at + most);
    const part = this.#piece.subarray(this.#at, end);
    this.#at = end;
    this.#left -= part.length;
    return part;
  }

  #advance(): void {
    this.#piece = this.#pieces[this.#next++] ?? none;
    this.#at = 0;
  }

  #malformed(reason: string): MeshError {
    return new MeshError('RESOURCE_INVALID', `the message (${this.#length} bytes) is malformed: ${reason}`);
  }
}
