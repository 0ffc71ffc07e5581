// What is read from a certificate: validity, serial number, URI names. PEM text in, plain values out.
import { MeshError } from '../errors.ts';
import { x509 } from './x509.ts';

export interface CertificateFacts {
  /** This one certificate, ending in a newline. */
  readonly pem: string;
  /** Decimal, as Istio's tools print it. */
  readonly serialNumber: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** URI names of the subject alternative name extension, in their order. */
  readonly uris: readonly string[];
}

const certificateBlock = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM text, one text each; text around them is skipped. */
export function splitCertificates(pem: string): readonly string[] {
  return [...pem.matchAll(certificateBlock)].map(([block]) => `${block.replaceAll('\r', '')}\n`);
}

/** @throws MeshError RESOURCE_INVALID when the first block of the text is no certificate */
export function readCertificate(pem: string): CertificateFacts {
  const [first] = splitCertificates(pem);
  if (first === undefined) throw new MeshError('RESOURCE_INVALID', 'no PEM certificate in the given text');
  try {
    const certificate = new x509.X509Certificate(first);
    const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
    return {
      pem: first,
      serialNumber: BigInt(`0x${certificate.serialNumber}`).toString(),
      notBeforeMs: certificate.notBefore.getTime(),
      notAfterMs: certificate.notAfter.getTime(),
      uris: names.filter((name) => name.type === 'url').map((name) => name.value),
    };
  } catch (cause) {
    throw new MeshError('RESOURCE_INVALID', `cannot read an X.509 certificate: ${String(cause)}`, { cause });
  }
}
