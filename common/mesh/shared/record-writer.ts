// Writes one record: numbers, addresses and texts as bytes. Texts that many objects share are written once for all, as
// records of their own, and named by their slots, which stand in front. In: values. Out: the content of the record.
import { type IpAddress, ipToBytes } from '../../net/address.ts';
import type { Choices } from './choices.ts';

/** What turns a shared text into a slot; each call is a use. */
export type TakeText = (text: string) => number;

const firstBytes = 1_024;

export class RecordWriter {
  readonly #take: TakeText;
  #bytes = Buffer.allocUnsafe(firstBytes);
  #length = 0;
  /** Used by the record that is being written. */
  #texts: number[] = [];
  /** The last finished record: its memory is used again. */
  #finished = Buffer.allocUnsafe(firstBytes);

  constructor(take: TakeText) {
    this.#take = take;
  }

  /** Slots of the shared texts that the record names, each as often as it is named. */
  get texts(): readonly number[] {
    return this.#texts;
  }

  begin(): void {
    this.#length = 0;
    this.#texts = [];
  }

  /** The slots of the texts, then the fields. @returns what is good until the next record is finished */
  finish(): Buffer {
    const fieldBytes = this.#length;
    this.number(this.#texts.length);
    for (const slot of this.#texts) this.number(slot);
    const length = this.#length;
    if (this.#finished.length < length) this.#finished = Buffer.allocUnsafe(length * 2);
    const headBytes = this.#bytes.copy(this.#finished, 0, fieldBytes, length);
    this.#bytes.copy(this.#finished, headBytes, 0, fieldBytes);
    return this.#finished.subarray(0, length);
  }

  /** @param value an integer of at most 32 bits, not negative */
  number(value: number): void {
    this.#reserve(5);
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#length++] = rest;
  }

  /** A text of this object alone. */
  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.number(length);
    this.#reserve(length);
    this.#bytes.write(value, this.#length);
    this.#length += length;
  }

  /** A text that other objects have too. */
  shared(value: string): void {
    this.#texts.push(this.#take(value));
  }

  address(ip: IpAddress): void {
    const bytes = ipToBytes(ip);
    this.number(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  list<T>(values: Iterable<T> & { readonly length: number }, write: (value: T) => void): void {
    this.number(values.length);
    for (const value of values) write(value);
  }

  flag(value: boolean): void {
    this.number(value ? 1 : 0);
  }

  choice<T extends string>({ numbers }: Choices<T>, word: T): void {
    this.number(numbers[word]);
  }

  /** Whether there is a value, then the value. */
  optional<T>(value: T | undefined, write: (value: T) => void): void {
    this.number(value === undefined ? 0 : 1);
    if (value !== undefined) write(value);
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe((this.#length + bytes) * 2);
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
