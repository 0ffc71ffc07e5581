// How the roots lie in their Secret: PEM texts under fixed keys, so that a Secret made by `kubectl create secret generic`
// with tls.crt and tls.key is one too. Pure: data to roots and back.
import { MeshError } from '../../common/errors.ts';
import { readCertificate } from '../../common/identity/certificate-facts.ts';
import type { RootPem } from '../../common/identity/root-certificate.ts';
import type { RootSet } from '../../common/identity/root-set.ts';

type SecretData = Readonly<Record<string, string>>;

/** On the Secret, with any value: asks for a new root. It is taken away when that has been made. */
export const rotateAnnotation = 'ambientd/rotate-root';

export function writeRootSet(set: RootSet): SecretData {
  const signing = { 'tls.crt': set.signing.certificatePem, 'tls.key': set.signing.keyPem };
  switch (set.kind) {
    case 'steady':
      return { ...signing, phase: set.kind };
    case 'spreading': {
      const next = { 'next.crt': set.next.certificatePem, 'next.key': set.next.keyPem };
      return { ...signing, ...next, phase: set.kind, since: new Date(set.sinceMs).toISOString() };
    }
    case 'retiring':
      return {
        ...signing,
        'previous.crt': set.previousPem,
        phase: set.kind,
        since: new Date(set.sinceMs).toISOString(),
      };
  }
}

/** @throws MeshError RESOURCE_INVALID, naming the key that is wrong, never what is under it */
export function readRootSet(data: SecretData): RootSet {
  const signing = readRoot(data, 'tls');
  switch (data['phase']) {
    case undefined:
    case 'steady':
      return { kind: 'steady', signing };
    case 'spreading':
      return { kind: 'spreading', signing, next: readRoot(data, 'next'), sinceMs: readSince(data) };
    case 'retiring':
      return {
        kind: 'retiring',
        signing,
        previousPem: readPem(data, 'previous.crt'),
        sinceMs: readSince(data),
      };
    default:
      throw invalid('phase', 'is none of steady, spreading, retiring');
  }
}

function readRoot(data: SecretData, name: 'tls' | 'next'): RootPem {
  const keyPem = data[`${name}.key`] ?? '';
  if (!keyPem.startsWith('-----BEGIN PRIVATE KEY-----')) throw invalid(`${name}.key`, 'is no PKCS#8 PEM of a key');
  return { certificatePem: readPem(data, `${name}.crt`), keyPem };
}

function readPem(data: SecretData, key: string): string {
  try {
    return readCertificate(data[key] ?? '').pem;
  } catch (cause) {
    throw invalid(key, 'is no PEM certificate', cause);
  }
}

function readSince(data: SecretData): number {
  const sinceMs = Date.parse(data['since'] ?? '');
  if (Number.isFinite(sinceMs)) return sinceMs;
  throw invalid('since', 'is no time');
}

function invalid(key: string, problem: string, cause?: unknown): MeshError {
  const message = `the Secret of the CA's roots cannot be used: ${key} ${problem}; repair it, or delete it for a new root`;
  return new MeshError('RESOURCE_INVALID', message, { cause });
}
