// What a CA's answer means: leaf, intermediates, roots (ztunnel.md §7). Pure: PEM texts in, the parts of a workload
// certificate out.
import { MeshError } from '../errors.ts';
import { readCertificate, splitCertificates } from '../identity/certificate-facts.ts';
import type { Identity } from '../identity/identity.ts';

export interface CertificateChain {
  /** Leaf first, then intermediates. */
  readonly chainPem: string;
  readonly rootsPem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/**
 * The first text is the leaf, the last holds the roots (several may stand in it), each between is one intermediate.
 * @throws MeshError IDENTITY_UNAVAILABLE, saying what is wrong with the answer
 */
export function readChain(identity: Identity, answer: readonly string[]): CertificateChain {
  const [leafPem, ...others] = answer;
  const roots = splitCertificates(others.pop() ?? '');
  if (leafPem === undefined) throw refused(identity, 'the CA returned an empty chain');
  if (roots.length === 0) throw refused(identity, 'the CA returned a chain without a root');
  const leaf = readLeaf(identity, leafPem);
  if (leaf.uris[0] !== identity.uri) {
    const got = leaf.uris.length === 0 ? 'no URI name' : leaf.uris.join(', ');
    throw refused(identity, `the CA returned a certificate for another identity: ${got}`);
  }
  const intermediates = others.flatMap((pem) => splitCertificates(pem).slice(0, 1));
  const { pem, notBeforeMs, notAfterMs } = leaf;
  return { chainPem: [pem, ...intermediates].join(''), rootsPem: roots.join(''), notBeforeMs, notAfterMs };
}

function readLeaf(identity: Identity, pem: string) {
  try {
    return readCertificate(pem);
  } catch (cause) {
    throw refused(identity, `the CA returned a leaf that cannot be read: ${String(cause)}`, cause);
  }
}

function refused(identity: Identity, reason: string, cause?: unknown): MeshError {
  return new MeshError('IDENTITY_UNAVAILABLE', `no certificate for ${identity.uri}: ${reason}`, { cause });
}
