// Whether what a peer tells of itself agrees with what its certificate proves. In: metadata and the proven identity. Out: the metadata, or
// why none of it is used: who lies about one thing is not believed in another.
import type { Identity } from '../identity/identity.ts';
import type { PeerMetadata } from './peer-metadata.ts';

export type Belief =
  | { readonly kind: 'believed'; readonly metadata: PeerMetadata }
  | { readonly kind: 'contradicts'; readonly detail: string };

/** @param proven undefined: nothing is proven, so nothing is believed that a certificate would have to say */
export function believePeer(metadata: PeerMetadata, proven: Identity | undefined): Belief {
  if (proven === undefined) return { kind: 'believed', metadata: { ...metadata, identity: '' } };
  const contradicts = (what: string, told: string, isSo: string): Belief => ({
    kind: 'contradicts',
    detail: `the peer says that its ${what} is "${told}", its certificate says "${isSo}"`,
  });
  const { identity, namespace } = metadata;
  if (namespace !== '' && namespace !== proven.namespace) {
    return contradicts('namespace', namespace, proven.namespace);
  }
  if (identity !== '' && identity !== proven.uri) return contradicts('identity', identity, proven.uri);
  return { kind: 'believed', metadata };
}
