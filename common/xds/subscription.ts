// What is held of one type of resource: the version by name, which is what a new stream tells the server so that it sends
// the difference only. Pure: names and versions in, and which held names a complete answer no longer has, out.

interface Held {
  readonly version: string;
  /** Key in the mesh; nearly always the name itself. */
  readonly key: string;
}

/** What an entry of the request takes beside its two texts, at most. */
const entryBytes = 16;

export class Subscription {
  readonly #held = new Map<string, Held>();
  /** Held when the stream began, untold then, and not sent since. */
  #unconfirmed = new Set<string>();

  /** @returns another key that the name had before, which is to be removed */
  keep(name: string, version: string, key: string): string | undefined {
    const before = this.#held.get(name);
    this.#held.set(name, { version, key });
    return before === undefined || before.key === key ? undefined : before.key;
  }

  /** The server still has it, whatever it is worth. */
  confirm(name: string): void {
    if (this.#unconfirmed.size > 0) this.#unconfirmed.delete(name);
  }

  /** @returns its key, which is the name itself if it was never held */
  drop(name: string): string {
    const key = this.#held.get(name)?.key ?? name;
    this.#held.delete(name);
    return key;
  }

  get size(): number {
    return this.#held.size;
  }

  /**
   * A new stream: what it is told of what is held, as far as there is room. A resource that is not told, the server must
   * send again if it still has it. Those are the ones without a version too: they cannot be told from their former selves
   * (istiod sends policies so, and names none that is gone).
   */
  *begin(roomBytes: number): Iterable<readonly [name: string, version: string]> {
    this.#unconfirmed = new Set();
    let left = roomBytes;
    for (const [name, { version }] of this.#held) {
      left -= name.length + version.length + entryBytes;
      if (version === '' || left < 0) this.#unconfirmed.add(name);
      else yield [name, version];
    }
  }

  /** After the first, complete answer on a stream: names that are held and that the server did not send. */
  takeUnconfirmed(): readonly string[] {
    const names = [...this.#unconfirmed];
    this.#unconfirmed.clear();
    return names;
  }
}
