// What one thread has decoded lately, by slot and version: two generations, of which the older is let go when the younger
// is full, so that what is used stays. Bounded by twice its size.

interface Cached<T> {
  readonly version: number;
  readonly value: T;
}

export class RecordCache<T> {
  readonly #size: number;
  #young = new Map<number, Cached<T>>();
  #old = new Map<number, Cached<T>>();

  /** @param size of one generation */
  constructor(size: number) {
    this.#size = size;
  }

  get(slot: number, version: number): T | undefined {
    const young = this.#young.get(slot);
    if (young !== undefined) return young.version === version ? young.value : undefined;
    const old = this.#old.get(slot);
    if (old === undefined || old.version !== version) return undefined;
    this.#keep(slot, old);
    return old.value;
  }

  set(slot: number, version: number, value: T): void {
    this.#keep(slot, { version, value });
  }

  #keep(slot: number, cached: Cached<T>): void {
    if (this.#young.size >= this.#size) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(slot, cached);
  }
}
