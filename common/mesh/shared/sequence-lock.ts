// A sequence lock between one writing and many reading threads: the number is odd while something changes, and whoever
// read while it changed reads again. Readers never stop the writer. Shape: Boehm, "Can seqlocks get along with programming
// language memory models?", MSPC 2012.
import { headerWord } from './mesh-memory.ts';

const { sequence } = headerWord;
/** Changes take microseconds; a writer whose processor was taken away is waited for asleep. */
const spins = 200;
const napMs = 0.2;
/** Under steady changes a long reading never fits in between: it lets some go by. */
const attemptsBeforeNap = 64;

export class SequenceLock {
  readonly #header: Int32Array;
  /** Nobody else's: changing it keeps the processor from moving reads and writes across. */
  readonly #fence = new Int32Array(new SharedArrayBuffer(4));

  constructor(header: Int32Array) {
    this.#header = header;
  }

  /** The number now. What was read between two equal ones, of which neither is odd, is true together. */
  get moment(): number {
    return Atomics.load(this.#header, sequence);
  }

  /** Calls `attempt` until nothing has changed meanwhile. It may see anything before, and throw: that counts only if nothing changed. */
  read<T>(attempt: (number: number) => T): T {
    for (let tries = 1; ; tries++) {
      const number = this.#begin();
      try {
        const result = attempt(number);
        if (this.holds(number)) return result;
      } catch (error) {
        if (this.holds(number)) throw error;
      }
      if (tries % attemptsBeforeNap === 0) Atomics.wait(this.#fence, 0, 0, napMs);
    }
  }

  /** Whether all that was read since is true together. */
  holds(number: number): boolean {
    Atomics.add(this.#fence, 0, 0);
    return Atomics.load(this.#header, sequence) === number;
  }

  /** One thread only, never one in another, and nothing in it may fail: memory is reserved before. */
  write(change: () => void): void {
    Atomics.add(this.#header, sequence, 1);
    Atomics.add(this.#fence, 0, 0);
    try {
      change();
    } finally {
      Atomics.add(this.#header, sequence, 1);
    }
  }

  #begin(): number {
    for (let tries = 0; ; tries++) {
      const number = Atomics.load(this.#header, sequence);
      if ((number & 1) === 0) return number;
      if (tries >= spins) Atomics.wait(this.#header, sequence, number, napMs);
    }
  }
}
