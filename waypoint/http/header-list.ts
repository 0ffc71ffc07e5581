// Headers as flat lists (name, value, name, value …), names in lower case, in the order received: what every codec here reads and writes.
// In: such a list. Out: look-ups and the list that may be forwarded. Source: RFC 9110 §7.6.1, waypoint-telemetry.md §9.3.

export type HeaderList = readonly string[];

const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'te',
]);

export function findHeader(headers: HeaderList, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === name) return headers[i + 1];
  }
  return undefined;
}

/** All values of a name joined with a comma, as expressions see repeated headers. */
export function joinHeader(headers: HeaderList, name: string): string | undefined {
  let joined: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === name) joined = joined === undefined ? headers[i + 1] : `${joined},${headers[i + 1]}`;
  }
  return joined;
}

export function withoutHeaders(headers: HeaderList, names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? '';
    if (!names.has(name)) kept.push(name, headers[i + 1] ?? '');
  }
  return kept;
}

export function withHeader(headers: HeaderList, name: string, value: string): string[] {
  const changed = withoutHeaders(headers, new Set([name]));
  changed.push(name, value);
  return changed;
}

/** What may go to the next hop: without connection headers and those that `connection` names. `te: trailers` is kept. */
export function endToEnd(headers: HeaderList): string[] {
  const connection = joinHeader(headers, 'connection');
  const named =
    connection === undefined
      ? undefined
      : connection
          .toLowerCase()
          .split(',')
          .map((name) => name.trim());
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? '';
    const value = headers[i + 1] ?? '';
    const isTrailers = name === 'te' && value.trim().toLowerCase() === 'trailers';
    if (!isTrailers && (hopByHop.has(name) || named?.includes(name))) continue;
    kept.push(name, value);
  }
  return kept;
}

/** Bytes of the list as HTTP/1.1 writes it: `name: value\r\n` each. */
export function headerBytes(headers: HeaderList): number {
  let bytes = 0;
  for (let i = 0; i < headers.length; i += 1) bytes += (headers[i] ?? '').length + 2;
  return bytes;
}

/** Node's raw headers have the sender's case. */
export function lowerCaseNames(raw: readonly string[]): string[] {
  return raw.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text));
}

/** The form that Node wants for trailers. */
export function headerObject(headers: HeaderList): Record<string, string[]> {
  const object: Record<string, string[]> = {};
  for (let i = 0; i < headers.length; i += 2) (object[headers[i] ?? ''] ??= []).push(headers[i + 1] ?? '');
  return object;
}
