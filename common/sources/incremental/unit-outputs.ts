// What each unit of the derivation (a pod, a service …) has made, by key, and what has become different since it was last
// asked. A unit's values in; the differences out. A value that is equal to the one before stays the same object.
import { isDeepStrictEqual } from 'node:util';

/** Of one key; one of both is there, or none where it came and went in between. */
export interface ValueChange<K, V> {
  readonly key: K;
  readonly before: V | undefined;
  readonly after: V | undefined;
}

export class UnitOutputs<K, V> {
  readonly values = new Map<K, V>();
  readonly #keysOf = new Map<string, readonly K[]>();
  /** What each changed key had when it was last asked. */
  #before = new Map<K, V | undefined>();
  readonly #keyOf: (value: V) => K;

  constructor(keyOf: (value: V) => K) {
    this.#keyOf = keyOf;
  }

  /** Of values with one key the last counts. */
  set(unit: string, values: readonly V[]): void {
    const byKey = new Map(values.map((value) => [this.#keyOf(value), value]));
    for (const key of this.#keysOf.get(unit) ?? []) {
      if (byKey.has(key)) continue;
      this.#note(key);
      this.values.delete(key);
    }
    for (const [key, value] of byKey) {
      const before = this.values.get(key);
      if (before !== undefined && isDeepStrictEqual(before, value)) continue;
      this.#note(key);
      this.values.set(key, value);
    }
    if (byKey.size === 0) this.#keysOf.delete(unit);
    else this.#keysOf.set(unit, [...byKey.keys()]);
  }

  /** Drops what other units have made; may pause after each yield. */
  *keepOnly(units: ReadonlySet<string>): Generator<undefined> {
    for (const unit of this.#keysOf.keys()) {
      if (!units.has(unit)) this.set(unit, []);
      yield;
    }
  }

  get changedCount(): number {
    return this.#before.size;
  }

  /** Each key once. Nothing may be set until the last one has been taken. */
  *takeChanges(): Generator<ValueChange<K, V>> {
    const changed = this.#before;
    this.#before = new Map();
    for (const [key, before] of changed) yield { key, before, after: this.values.get(key) };
  }

  #note(key: K): void {
    if (!this.#before.has(key)) this.#before.set(key, this.values.get(key));
  }
}
