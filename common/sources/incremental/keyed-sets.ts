// Sets of keys under a name: which pods are in a namespace, which slices belong to a service. Empty sets are dropped.

export class KeyedSets {
  readonly #sets = new Map<string, Set<string>>();
  static readonly #none: ReadonlySet<string> = new Set();

  get(name: string): ReadonlySet<string> {
    return this.#sets.get(name) ?? KeyedSets.#none;
  }

  add(name: string, key: string): void {
    const set = this.#sets.get(name);
    if (set === undefined) this.#sets.set(name, new Set([key]));
    else set.add(key);
  }

  drop(name: string, key: string): void {
    const set = this.#sets.get(name);
    set?.delete(key);
    if (set?.size === 0) this.#sets.delete(name);
  }

  /** Replaces all keys of the name. @returns those that were there or are there now */
  replace(name: string, keys: ReadonlySet<string>): ReadonlySet<string> {
    const before = this.get(name);
    if (keys.size === 0) this.#sets.delete(name);
    else this.#sets.set(name, new Set(keys));
    return new Set([...before, ...keys]);
  }
}
