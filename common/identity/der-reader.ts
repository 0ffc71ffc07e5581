// Reads DER (X.690 §8, §10), one value after the other. In: bytes. Out: what values hold, as views of the same bytes. Lengths are
// definite and never reach beyond what holds them.
import { MeshError } from '../errors.ts';

export const derTags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const;

/** The tag of `[number]` where it holds further values. */
export function contextTag(number: number): number {
  return 0xa0 | number;
}

export class DerReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Whether the next value has this tag. */
  isNext(tag: number): boolean {
    return this.#bytes[this.#at] === tag;
  }

  /** @param what for the error. @throws MeshError RESOURCE_INVALID */
  content(tag: number, what: string): Buffer {
    const start = this.#contentStart(tag, what);
    return this.#bytes.subarray(start, this.#at);
  }

  /** With tag and length. @throws MeshError RESOURCE_INVALID */
  whole(tag: number, what: string): Buffer {
    const start = this.#at;
    this.#contentStart(tag, what);
    return this.#bytes.subarray(start, this.#at);
  }

  /** @throws MeshError RESOURCE_INVALID */
  enter(tag: number, what: string): DerReader {
    return new DerReader(this.content(tag, what));
  }

  /** Moves behind the value. */
  #contentStart(tag: number, what: string): number {
    const bytes = this.#bytes;
    if (bytes[this.#at] !== tag) throw malformed(`${what} is missing at byte ${this.#at}`);
    let at = this.#at + 1;
    let length = bytes[at++] ?? 0x80;
    if (length >= 0x80) {
      const lengthBytes = length - 0x80;
      if (lengthBytes === 0 || lengthBytes > 4 || at + lengthBytes > bytes.length) {
        throw malformed(`the length of ${what} cannot be read`);
      }
      length = bytes.readUIntBE(at, lengthBytes);
      at += lengthBytes;
    }
    if (at + length > bytes.length) throw malformed(`${what} is cut off`);
    this.#at = at + length;
    return at;
  }
}

export function malformed(detail: string): MeshError {
  return new MeshError('RESOURCE_INVALID', detail);
}

/** Dotted decimal (X.690 §8.19), of the content of an OBJECT IDENTIFIER. @throws MeshError RESOURCE_INVALID */
export function oidText(content: Buffer): string {
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER / 128) throw malformed('an object identifier is too large');
    if (byte >= 0x80) continue;
    if (arcs.length === 0) {
      const first = Math.min(2, Math.floor(arc / 40));
      arcs.push(first, arc - 40 * first);
    } else arcs.push(arc);
    arc = 0;
  }
  return arcs.join('.');
}
