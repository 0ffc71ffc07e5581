// Label names with values, each combination once, whichever metrics use it: a connection's five metrics share one.
// In: names and values. Out: the shared object, by identity. What no series uses any more is forgotten.
import type { LabelValues } from './recorder.ts';

export interface LabelSet {
  readonly labels: Readonly<Record<string, string>>;
  /** Names and values in one text. */
  readonly key: string;
}

interface CountedSet extends LabelSet {
  uses: number;
}

export class LabelSets {
  readonly #sets = new Map<string, CountedSet>();
  /** A short mark for each list of names, so that keys need not repeat them. */
  readonly #marks = new Map<string, number>();
  readonly #marksByIdentity = new WeakMap<readonly string[], number>();
  /** The values of one connection come again for each of its metrics. */
  readonly #keys = new WeakMap<LabelValues, { readonly mark: number; readonly key: string }>();

  get size(): number {
    return this.#sets.size;
  }

  /** The same names and values give the same key. */
  keyOf(names: readonly string[], values: LabelValues): string {
    const mark = this.#markOf(names);
    const known = this.#keys.get(values);
    if (known?.mark === mark) return known.key;
    const key = `${mark}\u0002${values.join('\u0001')}`;
    this.#keys.set(values, { mark, key });
    return key;
  }

  find(key: string): LabelSet | undefined {
    return this.#sets.get(key);
  }

  /** Each use must be given back. */
  use(key: string, names: readonly string[], values: LabelValues): LabelSet {
    let set = this.#sets.get(key);
    if (set === undefined) this.#sets.set(key, (set = { key, labels: labelsOf(names, values), uses: 0 }));
    set.uses += 1;
    return set;
  }

  giveBack(used: LabelSet): void {
    const set = this.#sets.get(used.key);
    if (set === undefined) return;
    set.uses -= 1;
    if (set.uses === 0) this.#sets.delete(set.key);
  }

  #markOf(names: readonly string[]): number {
    const known = this.#marksByIdentity.get(names);
    if (known !== undefined) return known;
    const text = names.join('\u0001');
    const mark = this.#marks.get(text) ?? this.#marks.size;
    this.#marks.set(text, mark);
    this.#marksByIdentity.set(names, mark);
    return mark;
  }
}

/** `fromEntries` makes the compact kind of object; adding one name after the other makes one of four times its size. */
function labelsOf(names: readonly string[], values: LabelValues): Record<string, string> {
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']));
}
