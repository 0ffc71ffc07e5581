// Values that are made from a key, kept for when the key comes again: few keys come most of the time. Begins anew when it is full.

export class MadeBefore<K, V> {
  readonly #make: (key: K) => V;
  readonly #maxValues: number;
  readonly #values = new Map<K, V>();

  /** @param make gives the same for the same key, and never undefined */
  constructor(maxValues: number, make: (key: K) => V) {
    this.#maxValues = maxValues;
    this.#make = make;
  }

  get(key: K): V {
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const value = this.#make(key);
    if (this.#values.size >= this.#maxValues) this.#values.clear();
    this.#values.set(key, value);
    return value;
  }
}
