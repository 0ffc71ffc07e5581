// By what a revocation list names a certificate: issuer and serial number, byte for byte. In: a certificate's DER. Out: those.
import { contextTag, DerReader, derTags } from './der-reader.ts';

export interface CertificateKey {
  /** DER of the name, a character for each byte. */
  readonly issuer: string;
  /** Content of the INTEGER, a character for each byte. */
  readonly serialNumber: string;
}

/** @throws MeshError RESOURCE_INVALID */
export function readCertificateKey(der: Buffer): CertificateKey {
  const fields = certificateFields(der);
  const serialNumber = fields.content(derTags.integer, 'its serial number').toString('latin1');
  fields.content(derTags.sequence, 'its signature algorithm');
  return { serialNumber, issuer: fields.whole(derTags.sequence, 'its issuer').toString('latin1') };
}

/** What is signed of a certificate, from its serial number on. @throws MeshError RESOURCE_INVALID */
export function certificateFields(der: Buffer): DerReader {
  const certificate = new DerReader(der).enter(derTags.sequence, 'the certificate');
  const fields = certificate.enter(derTags.sequence, 'its signed part');
  if (fields.isNext(contextTag(0))) fields.content(contextTag(0), 'its version');
  return fields;
}
