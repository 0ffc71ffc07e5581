// The document of the standalone mode, entry by entry: as one YAML tree a hundred thousand workloads would take gigabytes.
// Text in; the lists of entries out, or undefined where it is not written as top-level lists (then YAML has the last word).
import { parse } from 'yaml';

type Lists = Readonly<Record<string, readonly unknown[]>>;

const listStart = /^(\w+):\s*$/;

export function readEntries(text: string): Lists | undefined {
  const lists: Record<string, unknown[]> = {};
  let list: unknown[] | undefined;
  let entry = '';
  try {
    for (const line of text.split('\n')) {
      if (line.startsWith(' ') && entry !== '') {
        entry += `\n${line}`;
        continue;
      }
      if (entry !== '') list?.push(parseEntry(entry));
      entry = '';
      if (line.trim() === '' || line.startsWith('#')) continue;
      const name = listStart.exec(line)?.[1];
      if (name !== undefined && !Object.hasOwn(lists, name)) lists[name] = list = [];
      else if (line.startsWith('- ') && list !== undefined) entry = `  ${line.slice(2)}`;
      else return undefined;
    }
    if (entry !== '') list?.push(parseEntry(entry));
    return lists;
  } catch {
    // An alias to another entry, or a mistake, of which the whole document's error names the line.
    return undefined;
  }
}

/** Most entries that programs write are JSON but for bare numbers as keys; where quoting those is wrong, it is no JSON. */
function parseEntry(text: string): unknown {
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
