// A request to an HTTP proxy (RFC 9112 §3.2.2, §3.2.3): `CONNECT host:port`, or any method with an absolute http URL.
// Bytes of the head in; out: the target, and for a URL the head as the origin server must see it. Bounded, no body.
import { type EntryTarget, parseAuthority } from './entry-target.ts';

export type ProxyRequest =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed'; readonly reason: string }
  | { readonly kind: 'connect'; readonly target: EntryTarget; readonly headBytes: number }
  | {
      readonly kind: 'forward';
      readonly target: EntryTarget;
      readonly headBytes: number;
      /** Replaces the first `headBytes`. */
      readonly originHead: Buffer;
    };

export const maxHeadBytes = 32 * 1024;

const headEnd = Buffer.from('\r\n\r\n');
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const requestLine = new RegExp(`^(${token}) (\\S+) HTTP/1\\.([01])$`);
const headerLine = new RegExp(`^(${token}):(.*)$`);
/** Meant for this hop only, or replaced below. */
const ownHeaders = new Set(['host', 'connection', 'proxy-connection', 'keep-alive', 'proxy-authorization', 'te']);

export function parseProxyRequest(bytes: Buffer): ProxyRequest {
  const end = bytes.subarray(0, maxHeadBytes).indexOf(headEnd);
  if (end < 0) {
    return bytes.length < maxHeadBytes
      ? { kind: 'incomplete' }
      : malformed(`the request head is longer than ${maxHeadBytes} bytes`);
  }
  const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const [, method, target, minor] = requestLine.exec(first) ?? [];
  if (method === undefined || target === undefined) return malformed('the request line is not METHOD TARGET HTTP/1.x');
  const headers = lines.map((line) => headerLine.exec(line));
  const headBytes = end + headEnd.length;
  if (headers.some((match) => match === null || /[\r\n\0]/.test(match[0])))
    return malformed('a header line is malformed');
  if (method === 'CONNECT') {
    const authority = parseAuthority(target);
    return authority === undefined
      ? malformed(`"${target}" is not host:port`)
      : { kind: 'connect', target: authority, headBytes };
  }
  const pairs = headers.map((match): Header => [match?.[1] ?? '', trimBlanks(match?.[2] ?? '')]);
  return forwardRequest({ method, url: target, minor: minor ?? '1', headers: pairs, headBytes });
}

/** Not by a pattern: that would try each blank within the value as its end, up to its last. */
function trimBlanks(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isBlank(text[start])) start += 1;
  while (end > start && isBlank(text[end - 1])) end -= 1;
  return text.slice(start, end);
}

function isBlank(letter: string | undefined): boolean {
  return letter === ' ' || letter === '\t';
}

type Header = readonly [name: string, value: string];

interface UrlRequest {
  readonly method: string;
  readonly url: string;
  readonly minor: string;
  readonly headers: readonly Header[];
  readonly headBytes: number;
}

/** One request a connection: `Connection: close` ends it after its response, unless it becomes another protocol. */
function forwardRequest({ method, url, minor, headers, headBytes }: UrlRequest): ProxyRequest {
  const match = /^http:\/\/([^/?#@]+)([/?][^#]*)?$/i.exec(url);
  const authority = match?.[1];
  const target = authority === undefined ? undefined : parseAuthority(authority, 80);
  if (authority === undefined || target === undefined) {
    return malformed(`"${url}" is no http:// URL; an HTTP proxy needs the whole URL, or CONNECT`);
  }
  const path = match?.[2] ?? '/';
  const upgrades = headers.some(([name, value]) => name.toLowerCase() === 'connection' && /\bupgrade\b/i.test(value));
  const named = connectionNamed(headers);
  const kept = headers.filter(([name]) => !ownHeaders.has(name.toLowerCase()) && !named.has(name.toLowerCase()));
  const written: readonly Header[] = [['Host', authority], ...kept, ['Connection', upgrades ? 'Upgrade' : 'close']];
  const lines = written.map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `${method} ${path.startsWith('?') ? `/${path}` : path} HTTP/1.${minor}\r\n${lines.join('')}\r\n`;
  return { kind: 'forward', target, headBytes, originHead: Buffer.from(head, 'latin1') };
}

/** Headers that `Connection` names are this hop's (RFC 9110 §7.6.1); `Upgrade` goes on. */
function connectionNamed(headers: readonly Header[]): ReadonlySet<string> {
  const names = headers
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.toLowerCase().split(','))
    .map((name) => name.trim());
  return new Set(names.filter((name) => !['upgrade', 'content-length', 'transfer-encoding'].includes(name)));
}

export const connectionEstablished: Buffer = Buffer.from('HTTP/1.1 200 Connection established\r\n\r\n');

export function writeProxyError(status: 400 | 403 | 503, text: string): Buffer {
  const reasons = { 400: 'Bad Request', 403: 'Forbidden', 503: 'Service Unavailable' } as const;
  const body = Buffer.from(`${text}\n`);
  const head =
    `HTTP/1.1 ${status} ${reasons[status]}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
    `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

function malformed(reason: string): ProxyRequest {
  return { kind: 'malformed', reason: `HTTP proxy: ${reason}` };
}
