// Keys of the mesh: EC P-256, made by WebCrypto, written as PKCS#8 PEM.
import { createPrivateKey, KeyObject, webcrypto } from 'node:crypto';

export type KeyPair = webcrypto.CryptoKeyPair;

/** How every key of ours is made, and how it signs. */
export const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;
export const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' } as const;

export function generateKeyPair(): Promise<KeyPair> {
  return webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
}

export async function privateKeyToPem(key: webcrypto.CryptoKey): Promise<string> {
  return KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** @throws when the text is no PKCS#8 PEM of a P-256 key */
export async function privateKeyFromPem(pem: string): Promise<webcrypto.CryptoKey> {
  const pkcs8 = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', pkcs8, keyAlgorithm, true, ['sign']);
}
