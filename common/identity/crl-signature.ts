// Whether a revocation list is of the issuer that it names: signed by its key, which may sign lists (RFC 5280 §6.3.3 f, g). Pure.
import { verify, type X509Certificate } from 'node:crypto';
import { maySignLists } from './key-usage.ts';
import type { RevocationList } from './revocation-list.ts';

/** @param issuer whose name is the list's */
export function isSignedBy(list: RevocationList, issuer: X509Certificate): boolean {
  const { key, hash } = list.signatureAlgorithm;
  try {
    if (issuer.publicKey.asymmetricKeyType !== key || !maySignLists(issuer.raw)) return false;
    return verify(hash, list.signedPart, issuer.publicKey, list.signature);
  } catch {
    return false;
  }
}
