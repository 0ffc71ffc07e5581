// What is read from a certificate: validity, serial number, URI names. PEM text in, plain values out.
import { X509Certificate } from 'node:crypto';
import { MeshError } from '../errors.ts';
import { uriNames } from './subject-alt-names.ts';

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
    const certificate = new X509Certificate(first);
    return {
      pem: first,
      serialNumber: BigInt(`0x${certificate.serialNumber}`).toString(),
      notBeforeMs: certificate.validFromDate.getTime(),
      notAfterMs: certificate.validToDate.getTime(),
      uris: uriNames(certificate.subjectAltName ?? ''),
    };
  } catch (cause) {
    throw new MeshError('RESOURCE_INVALID', `cannot read an X.509 certificate: ${String(cause)}`, { cause });
  }
}
