// The roots of a mesh whose CA rotates them: which one signs, and which others are trusted meanwhile. Pure: how one state
// becomes the next; who decides that it is time is `plan-roots.ts`.
import { readCertificate } from './certificate-facts.ts';
import type { RootPem } from './root-certificate.ts';

export type RootSet =
  /** One root: it signs, and it alone is trusted. */
  | { readonly kind: 'steady'; readonly signing: RootPem }
  /** The next root is trusted everywhere before it signs anything. */
  | { readonly kind: 'spreading'; readonly signing: RootPem; readonly next: RootPem; readonly sinceMs: number }
  /** The previous root signs no more; what it has signed is still good. Its key is not kept. */
  | {
      readonly kind: 'retiring';
      readonly signing: RootPem;
      readonly previousPem: string;
      readonly sinceMs: number;
    };

/** Every root to be trusted, as PEM: the signing one first. The same for the same set, whoever asks. */
export function trustBundle(set: RootSet): string {
  return [set.signing.certificatePem, ...alsoTrusted(set)].join('');
}

/** Those beside the signing root. */
export function alsoTrusted(set: RootSet): readonly string[] {
  switch (set.kind) {
    case 'steady':
      return [];
    case 'spreading':
      return [set.next.certificatePem];
    case 'retiring':
      return [set.previousPem];
  }
}

export function rootsEqual(one: RootSet, other: RootSet): boolean {
  return one.kind === other.kind && trustBundle(one) === trustBundle(other);
}

/** @throws MeshError RESOURCE_INVALID when the text is no certificate */
export function validityOf(certificatePem: string): { readonly notBeforeMs: number; readonly notAfterMs: number } {
  const { notBeforeMs, notAfterMs } = readCertificate(certificatePem);
  return { notBeforeMs, notAfterMs };
}
