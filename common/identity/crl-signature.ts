// Whether a revocation list is of the issuer that it names: signed by its key, which may sign lists (RFC 5280 §6.3.3 f, g). Pure.
import { verify, type X509Certificate } from 'node:crypto';
import type { RevocationList } from './revocation-list.ts';
import { x509 } from './x509.ts';

/** @param issuer whose name is the list's */
export function isSignedBy(list: RevocationList, issuer: X509Certificate): boolean {
  const { key, hash } = list.signatureAlgorithm;
  try {
    if (issuer.publicKey.asymmetricKeyType !== key || !maySignLists(issuer)) return false;
    return verify(hash, list.signedPart, issuer.publicKey, list.signature);
  } catch {
    return false;
  }
}

/** Without the extension every use is allowed. */
function maySignLists({ raw }: X509Certificate): boolean {
  const usages = new x509.X509Certificate(raw).getExtension(x509.KeyUsagesExtension)?.usages;
  return usages === undefined || (usages & x509.KeyUsageFlags.cRLSign) !== 0;
}
