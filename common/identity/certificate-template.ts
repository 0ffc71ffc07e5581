// What the certificates of the embedded CA say: a root, a workload's leaf, a server's leaf. Pure: names and times in,
// the parameters of the X.509 library out. The leaf's fields are those istiod issues (ztunnel.md §3.1, §7).
import { parseIp } from '../net/address.ts';
import type { Identity } from './identity.ts';
import { x509 } from './x509.ts';

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Clocks of two machines may differ by this much before a new certificate is refused as not yet valid. */
export const clockSkewMs = 120_000;
export const rootLifetimeMs = 3650 * 86_400_000;

/** Never outlives the issuer. */
export function validityFrom(nowMs: number, lifetimeMs: number, issuerNotAfterMs: number): Validity {
  return {
    notBefore: new Date(nowMs - clockSkewMs),
    notAfter: new Date(Math.min(nowMs + lifetimeMs, issuerNotAfterMs)),
  };
}

export function rootExtensions(): x509.Extension[] {
  const { keyCertSign, cRLSign } = x509.KeyUsageFlags;
  return [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
  ];
}

/** Exactly one URI name, critical because the subject is empty (RFC 5280 §4.2.1.6). */
export function workloadExtensions(identity: Identity): x509.Extension[] {
  return leafExtensions([{ type: 'url', value: identity.uri }]);
}

/** @param names host names and IP addresses */
export function serverExtensions(names: readonly string[]): x509.Extension[] {
  return leafExtensions(names.map((value) => ({ type: parseIp(value) === undefined ? 'dns' : 'ip', value })));
}

function leafExtensions(names: x509.JsonGeneralNames): x509.Extension[] {
  const { digitalSignature, keyEncipherment } = x509.KeyUsageFlags;
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  return [
    new x509.KeyUsagesExtension(digitalSignature | keyEncipherment, true),
    new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth]),
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.SubjectAlternativeNameExtension(names, true),
  ];
}
