// Decides whether a peer is who it must be, from the subject alternative names of its leaf certificate (ztunnel.md §3.1).
// In: the text Node prints as `subjectaltname`. Out: the peer's identity, or why it is refused. The chain is TLS's business.
import { type Identity, parseIdentity } from '../identity/identity.ts';

export type PeerVerdict =
  | { readonly kind: 'verified'; readonly identity: Identity }
  | { readonly kind: 'refused'; readonly detail: string };

/** A client verifies a server: one of its SPIFFE names must be an expected identity. An empty list fails always. */
export function verifyServer(subjectAltName: string | undefined, expected: readonly Identity[]): PeerVerdict {
  const presented = spiffeIdentities(subjectAltName);
  const [first] = presented;
  const wanted = new Set(expected.map((identity) => identity.uri));
  if (first !== undefined && presented.some((identity) => wanted.has(identity.uri))) {
    return { kind: 'verified', identity: first };
  }
  return {
    kind: 'refused',
    detail: `peer did not present the expected SAN (${[...wanted].join(',')}), got ${describe(presented, subjectAltName)}`,
  };
}

/** A server verifies a client: one of its SPIFFE names must be of the server's own trust domain. */
export function verifyClient(subjectAltName: string | undefined, own: Identity): PeerVerdict {
  const presented = spiffeIdentities(subjectAltName);
  const [first] = presented;
  if (first !== undefined && presented.some((identity) => identity.trustDomain === own.trustDomain)) {
    return { kind: 'verified', identity: first };
  }
  return {
    kind: 'refused',
    detail: `peer did not present the expected trustdomain (${own.trustDomain}), got ${describe(presented, subjectAltName)}`,
  };
}

/** The SPIFFE identities among the URI names, in the certificate's order; other names are skipped. */
export function spiffeIdentities(subjectAltName: string | undefined): readonly Identity[] {
  return uriNames(subjectAltName ?? '')
    .map(parseIdentity)
    .filter((identity) => identity !== undefined);
}

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

function describe(presented: readonly Identity[], subjectAltName: string | undefined): string {
  if (presented.length > 0) return presented.map((identity) => identity.uri).join(',');
  return subjectAltName ? `no SPIFFE identity (${subjectAltName.slice(0, 200)})` : 'no subject alternative name';
}
