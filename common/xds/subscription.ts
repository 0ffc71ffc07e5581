// What is held of one type of resource: the version by name, which is what a new stream tells the server so that it sends
// the difference only. Pure: names and versions in, and which held names a complete answer no longer has, out.

/** What an entry of the request takes beside its two texts, at most. */
const entryBytes = 16;

export type HeldVersion = readonly [name: string, version: string];

export class Subscription {
  readonly #versions = new Map<string, string>();
  /** Keys in the mesh of those few names that are not their own key. */
  readonly #keys = new Map<string, string>();
  /** Held when the stream began, untold then, and not sent since. */
  #unconfirmed = new Set<string>();

  /** @returns another key that the name had before, which is to be removed */
  keep(name: string, version: string, key: string): string | undefined {
    const before = this.#versions.has(name) ? this.#keyOf(name) : key;
    // Where name and key are the same text, one string is kept of it: the one that the mesh has too.
    this.#versions.set(name === key ? key : name, version);
    if (name === key) this.#keys.delete(name);
    else this.#keys.set(name, key);
    return before === key ? undefined : before;
  }

  /** The server still has it, whatever it is worth. */
  confirm(name: string): void {
    if (this.#unconfirmed.size > 0) this.#unconfirmed.delete(name);
  }

  /** @returns its key, which is the name itself if it was never held */
  drop(name: string): string {
    const key = this.#keyOf(name);
    this.#versions.delete(name);
    this.#keys.delete(name);
    return key;
  }

  has(name: string): boolean {
    return this.#versions.has(name);
  }

  get size(): number {
    return this.#versions.size;
  }

  /**
   * A new stream: what it is told of what is held, as far as there is room. A resource that is not told, the server must
   * send again if it still has it. Those are the ones without a version too: they cannot be told from their former selves
   * (istiod sends policies so, and names none that is gone). A server that sends only what it is asked for must be told them.
   * Undefined stands for one that is not told, so that whoever takes very many may pause at those too.
   */
  *begin(roomBytes: number, unversioned: 'left-out' | 'told'): Iterable<HeldVersion | undefined> {
    this.#unconfirmed = new Set();
    let left = roomBytes;
    for (const [name, version] of this.#versions) {
      left -= name.length + version.length + entryBytes;
      const isTold = (version !== '' || unversioned === 'told') && left >= 0;
      if (!isTold) this.#unconfirmed.add(name);
      yield isTold ? [name, version] : undefined;
    }
  }

  /** After the first, complete answer on a stream: names that are held and that the server did not send. */
  takeUnconfirmed(): readonly string[] {
    const names = [...this.#unconfirmed];
    this.#unconfirmed.clear();
    return names;
  }

  #keyOf(name: string): string {
    return this.#keys.get(name) ?? name;
  }
}
