// The root of the embedded CA: made fresh, or restored from PEM texts after checking that they belong together and
// can still sign.
import { webcrypto } from 'node:crypto';
import { MeshError } from '../errors.ts';
import { readCertificate } from './certificate-facts.ts';
import { rootExtensions, rootLifetimeMs, validityFrom } from './certificate-template.ts';
import { generateKeyPair, keyAlgorithm, privateKeyFromPem, privateKeyToPem, signingAlgorithm } from './key-pair.ts';
import { randomSerialNumber } from './serial-number.ts';
import { x509 } from './x509.ts';

export interface RootPem {
  readonly keyPem: string;
  readonly certificatePem: string;
}

export interface Root extends RootPem {
  readonly certificate: x509.X509Certificate;
  readonly signingKey: webcrypto.CryptoKey;
}

export async function createRoot(trustDomain: string, nowMs: number, lifetimeMs = rootLifetimeMs): Promise<Root> {
  const keys = await generateKeyPair();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validityFrom(nowMs, lifetimeMs, Number.POSITIVE_INFINITY),
    name: [{ O: [trustDomain] }],
    keys,
    signingAlgorithm,
    serialNumber: randomSerialNumber(),
    extensions: [...rootExtensions(), await x509.SubjectKeyIdentifierExtension.create(keys.publicKey)],
  });
  const [keyPem, certificatePem] = [await privateKeyToPem(keys.privateKey), `${certificate.toString('pem')}\n`];
  return { certificate, certificatePem, signingKey: keys.privateKey, keyPem };
}

/** @throws MeshError CONFIG_INVALID, saying why these texts are no usable root */
export async function restoreRoot(restored: RootPem, nowMs: number): Promise<Root> {
  const { pem: certificatePem } = readCertificate(restored.certificatePem);
  const certificate = new x509.X509Certificate(certificatePem);
  if (!certificate.getExtension(x509.BasicConstraintsExtension)?.ca)
    throw unusable('the certificate is no CA (CA:true is missing)');
  if (certificate.notAfter.getTime() <= nowMs) throw unusable(`it expired at ${certificate.notAfter.toISOString()}`);
  const signingKey = await privateKeyFromPem(restored.keyPem).catch((cause: unknown) => {
    throw unusable(`the private key is no PKCS#8 PEM of a P-256 key: ${String(cause)}`, cause);
  });
  if (!(await belongTogether(certificate, signingKey))) throw unusable("the private key is not the certificate's");
  return { certificate, certificatePem, signingKey, keyPem: restored.keyPem };
}

async function belongTogether(certificate: x509.X509Certificate, signingKey: webcrypto.CryptoKey): Promise<boolean> {
  const probe = new TextEncoder().encode('proof of possession');
  try {
    const publicKey = await certificate.publicKey.export({ ...keyAlgorithm }, ['verify']);
    const signature = await webcrypto.subtle.sign(signingAlgorithm, signingKey, probe);
    return await webcrypto.subtle.verify(signingAlgorithm, publicKey, signature, probe);
  } catch {
    return false;
  }
}

function unusable(reason: string, cause?: unknown): MeshError {
  return new MeshError(
    'CONFIG_INVALID',
    `the kept CA root cannot be used: ${reason}; delete it to have a new one made`,
    { cause },
  );
}
