// What the key of a certificate may be used for (RFC 5280 §4.2.1.3). In: a certificate's DER. Out: one of its uses.
import { certificateFields } from './certificate-key.ts';
import { contextTag, DerReader, derTags } from './der-reader.ts';
import { readExtensions } from './x509-extensions.ts';

const keyUsage = '2.5.29.15';
/** Bit 6, counted from the left. */
const crlSign = 0x02;

/** Without the extension every use is allowed. @throws MeshError RESOURCE_INVALID */
export function maySignLists(der: Buffer): boolean {
  const fields = certificateFields(der);
  fields.content(derTags.integer, 'its serial number');
  for (const what of ['signature algorithm', 'issuer', 'validity', 'subject', 'public key']) {
    fields.content(derTags.sequence, `its ${what}`);
  }
  for (const uniqueId of [0x81, 0x82]) if (fields.isNext(uniqueId)) fields.content(uniqueId, 'a unique identifier');
  if (!fields.isNext(contextTag(3))) return true;
  for (const { oid, value } of readExtensions(fields.enter(contextTag(3), 'its extensions'))) {
    if (oid !== keyUsage) continue;
    const [, uses = 0] = new DerReader(value).content(derTags.bitString, 'the key usage');
    return (uses & crlSign) !== 0;
  }
  return true;
}
