// Decides whether a peer is who it must be, from the subject alternative names of its leaf certificate (ztunnel.md §3.1).
// In: the text Node prints as `subjectaltname`. Out: the peer's identity, or why it is refused. The chain is TLS's business.
import { type Identity, parseIdentity } from '../identity/identity.ts';
import { uriNames } from '../identity/subject-alt-names.ts';

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

function describe(presented: readonly Identity[], subjectAltName: string | undefined): string {
  if (presented.length > 0) return presented.map((identity) => identity.uri).join(',');
  return subjectAltName ? `no SPIFFE identity (${subjectAltName.slice(0, 200)})` : 'no subject alternative name';
}
