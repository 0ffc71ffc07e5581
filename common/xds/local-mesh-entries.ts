// The document of the standalone mode, entry by entry: as one YAML tree a hundred thousand workloads would take gigabytes.
// Lines in; the entries of its top-level lists out, or an error where it is not written as such (then YAML has the last word).
import { parse } from 'yaml';

export interface LocalEntry {
  readonly list: string;
  /** Place in its list. */
  readonly index: number;
  readonly text: string;
}

/** It is not written as top-level lists: nothing is said of whether it is right. */
export class NotInLists extends Error {}

type Lists = Readonly<Record<string, readonly unknown[]>>;

const listStart = /^(\w+):\s*$/;

export class EntrySplitter {
  readonly #counts = new Map<string, number>();
  #list: string | undefined;
  #text = '';

  /** @returns the entry that ends before this line. @throws NotInLists */
  push(line: string): LocalEntry | undefined {
    if (line.startsWith(' ') && this.#text !== '') {
      this.#text += `\n${line}`;
      return undefined;
    }
    const ended = this.end();
    if (line.trim() === '' || line.startsWith('#')) return ended;
    const name = listStart.exec(line)?.[1];
    if (name !== undefined && !this.#counts.has(name)) {
      this.#counts.set(name, 0);
      this.#list = name;
    } else if (line.startsWith('- ') && this.#list !== undefined) {
      this.#text = `  ${line.slice(2)}`;
    } else {
      throw new NotInLists();
    }
    return ended;
  }

  /** The last entry. */
  end(): LocalEntry | undefined {
    const [text, list] = [this.#text, this.#list];
    if (text === '' || list === undefined) return undefined;
    const index = this.#counts.get(list) ?? 0;
    this.#counts.set(list, index + 1);
    this.#text = '';
    return { list, index, text };
  }

  /** Names of the lists so far. */
  get lists(): Iterable<string> {
    return this.#counts.keys();
  }
}

export function readEntries(text: string): Lists | undefined {
  const splitter = new EntrySplitter();
  const lists: Record<string, unknown[]> = {};
  const keep = (entry: LocalEntry | undefined): void => {
    if (entry === undefined) return;
    lists[entry.list] ??= [];
    lists[entry.list]?.push(parseEntry(entry.text));
  };
  try {
    for (const line of text.split('\n')) keep(splitter.push(line));
    keep(splitter.end());
    for (const name of splitter.lists) lists[name] ??= [];
    return lists;
  } catch {
    // An alias to another entry, or a mistake, of which the whole document's error names the line.
    return undefined;
  }
}

/**
 * Most entries that programs write are JSON but for bare numbers as keys; where quoting those is wrong, it is no JSON.
 * @throws Error of YAML
 */
export function parseEntry(text: string): unknown {
  if (text.startsWith('  {') && text.trimEnd().endsWith('}')) {
    try {
      const entry: unknown = JSON.parse(text.replace(/([{,]\s*)(\d+)\s*:/g, '$1"$2":'));
      return entry;
    } catch {
      // Some other YAML in one line.
    }
  }
  const entry: unknown = parse(text);
  return entry;
}
