// Whether what a peer tells of itself agrees with what its certificate proves. In: its words and the proven identity. Out: the words, or
// why none of them is used: who lies about one thing is not believed in another.
import type { Identity } from '../identity/identity.ts';

/** Of all that may be told, what a certificate can contradict; "" says nothing. */
export interface PeerClaim {
  readonly namespace: string;
  /** A SPIFFE id. */
  readonly identity?: string;
}

export type Belief<T extends PeerClaim> =
  | { readonly kind: 'believed'; readonly claim: T }
  | { readonly kind: 'contradicts'; readonly detail: string };

/** @param proven undefined: nothing is proven, so nothing is believed that a certificate would have to say */
export function believePeer<T extends PeerClaim>(claim: T, proven: Identity | undefined): Belief<T> {
  const { namespace, identity = '' } = claim;
  if (proven === undefined) return { kind: 'believed', claim: identity === '' ? claim : { ...claim, identity: '' } };
  const contradicts = (what: string, told: string, isSo: string): Belief<T> => ({
    kind: 'contradicts',
    detail: `the peer says that its ${what} is "${told}", its certificate says "${isSo}"`,
  });
  if (namespace !== '' && namespace !== proven.namespace) {
    return contradicts('namespace', namespace, proven.namespace);
  }
  if (identity !== '' && identity !== proven.uri) return contradicts('identity', identity, proven.uri);
  return { kind: 'believed', claim };
}
