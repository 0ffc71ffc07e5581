// The URI names of a certificate, from the text that node prints of its subject alternative names. Pure.

/**
 * Values of the `URI:` entries. Node joins entries with ', ' and writes a value as a JSON string when it holds a comma,
 * quote or other byte that could be taken for a separator; so a name cannot pretend to be two. Nothing after an entry that
 * does not follow this form is trusted.
 */
export function uriNames(text: string): readonly string[] {
  const uris: string[] = [];
  let at = 0;
  while (at < text.length) {
    const colon = text.indexOf(':', at);
    if (colon < 0) break;
    const value = text[colon + 1] === '"' ? quotedValue(text, colon + 1) : plainValue(text, colon + 1);
    if (value === undefined) break;
    if (text.slice(at, colon) === 'URI') uris.push(value.text);
    if (value.end < text.length && !text.startsWith(', ', value.end)) break;
    at = value.end + 2;
  }
  return uris;
}

interface NameValue {
  readonly text: string;
  /** Index after the value. */
  readonly end: number;
}

function plainValue(text: string, start: number): NameValue {
  const comma = text.indexOf(', ', start);
  const end = comma < 0 ? text.length : comma;
  return { text: text.slice(start, end), end };
}

function quotedValue(text: string, start: number): NameValue | undefined {
  const closed = /^"(?:[^"\\]|\\.)*"/.exec(text.slice(start))?.[0];
  if (closed === undefined) return undefined;
  try {
    return { text: String(JSON.parse(closed)), end: start + closed.length };
  } catch {
    return undefined;
  }
}
