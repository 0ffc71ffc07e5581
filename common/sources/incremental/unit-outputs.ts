// What each unit of the derivation (a pod, a service …) has made, by key, and what has become different since it was last
// asked. A unit's values in; the smallest difference out. A value that is equal to the one before stays the same object.
import { isDeepStrictEqual } from 'node:util';

export interface OutputDifference<K, V> {
  readonly put: readonly V[];
  readonly removed: readonly K[];
}

export class UnitOutputs<K, V> {
  readonly values = new Map<K, V>();
  readonly #keysOf = new Map<string, readonly K[]>();
  readonly #changed = new Set<K>();
  readonly #keyOf: (value: V) => K;

  constructor(keyOf: (value: V) => K) {
    this.#keyOf = keyOf;
  }

  /** Of values with one key the last counts. */
  set(unit: string, values: readonly V[]): void {
    const byKey = new Map(values.map((value) => [this.#keyOf(value), value]));
    for (const key of this.#keysOf.get(unit) ?? []) {
      if (byKey.has(key)) continue;
      this.values.delete(key);
      this.#changed.add(key);
    }
    for (const [key, value] of byKey) {
      const before = this.values.get(key);
      if (before !== undefined && isDeepStrictEqual(before, value)) continue;
      this.values.set(key, value);
      this.#changed.add(key);
    }
    if (byKey.size === 0) this.#keysOf.delete(unit);
    else this.#keysOf.set(unit, [...byKey.keys()]);
  }

  /** Drops what other units have made. */
  keepOnly(units: ReadonlySet<string>): void {
    for (const unit of [...this.#keysOf.keys()]) if (!units.has(unit)) this.set(unit, []);
  }

  takeDifference(): OutputDifference<K, V> {
    const put: V[] = [];
    const removed: K[] = [];
    for (const key of this.#changed) {
      const value = this.values.get(key);
      if (value === undefined) removed.push(key);
      else put.push(value);
    }
    this.#changed.clear();
    return { put, removed };
  }
}
