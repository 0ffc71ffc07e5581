// Reads one record that `record-writer.ts` wrote. While the writer changes the memory the bytes may be anything: what
// cannot be read throws, and the lock says whether that counts.
import { MeshError } from '../../errors.ts';
import { type IpAddress, ipFromBytes } from '../../net/address.ts';
import type { Choices } from './choices.ts';

/** The shared text in a slot. */
export type TextOf = (slot: number) => string;

const none: readonly never[] = [];

export class RecordReader {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  #textOf: TextOf = () => '';
  #length = 0;
  #textsAt = 0;
  #bodyAt = 0;

  /** Before the first of its fields. */
  open(bytes: Buffer, start: number, end: number, textOf: TextOf): void {
    if (end > bytes.length || start > end) throw torn();
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#textOf = textOf;
    this.#length = end - start;
    const count = this.#count();
    this.#textsAt = this.#at;
    for (let left = count; left > 0; left--) this.number();
    this.#bodyAt = this.#at;
  }

  /** The slots of all shared texts that the record names. */
  sharedSlots(): readonly number[] {
    const slots: number[] = [];
    this.#at = this.#textsAt;
    while (this.#at < this.#bodyAt) slots.push(this.number());
    return slots;
  }

  number(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw torn();
  }

  text(): string {
    const length = this.number();
    if (length === 0) return '';
    const at = this.#pass(length);
    return this.#bytes.toString('utf8', at, at + length);
  }

  shared(): string {
    const body = this.#at;
    this.#at = this.#textsAt;
    const slot = this.number();
    this.#textsAt = this.#at;
    this.#at = body;
    return this.#textOf(slot);
  }

  address(): IpAddress {
    const length = this.number();
    const at = this.#pass(length);
    const bytes = this.#bytes;
    if (length === 4) return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}` as IpAddress;
    const ip = ipFromBytes(bytes.subarray(at, at + length));
    if (ip === undefined) throw torn();
    return ip;
  }

  list<T>(read: () => T): readonly T[] {
    const count = this.#count();
    if (count === 0) return none;
    const values: T[] = [];
    for (let left = count; left > 0; left--) values.push(read());
    return values;
  }

  flag(): boolean {
    return this.number() === 1;
  }

  choice<T extends string>({ words }: Choices<T>): T {
    const word = words[this.number()];
    if (word === undefined) throw torn();
    return word;
  }

  optional<T>(read: () => T): T | undefined {
    return this.number() === 0 ? undefined : read();
  }

  /** Of anything: each takes a byte at least. */
  #count(): number {
    const count = this.number();
    if (count > this.#length) throw torn();
    return count;
  }

  #byte(): number {
    const at = this.#pass(1);
    return this.#bytes[at] ?? 0;
  }

  #pass(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#end) throw torn();
    this.#at = at + bytes;
    return at;
  }
}

export function torn(): MeshError {
  return new MeshError('INTERNAL', 'a record of the shared mesh cannot be read');
}
