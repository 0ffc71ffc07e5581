// What the key of a certificate may be used for (RFC 5280 §4.2.1.3). In: a certificate's DER. Out: one of its uses.
import { contextTag, DerReader, derTags, oidText } from './der-reader.ts';

const keyUsage = '2.5.29.15';
/** Bit 6, counted from the left. */
const crlSign = 0x02;

/** Without the extension every use is allowed. @throws MeshError RESOURCE_INVALID */
export function maySignLists(der: Buffer): boolean {
  const fields = new DerReader(der)
    .enter(derTags.sequence, 'the certificate')
    .enter(derTags.sequence, 'its signed part');
  if (fields.isNext(contextTag(0))) fields.content(contextTag(0), 'its version');
  fields.content(derTags.integer, 'its serial number');
  for (const what of ['signature algorithm', 'issuer', 'validity', 'subject', 'public key']) {
    fields.content(derTags.sequence, `its ${what}`);
  }
  for (const uniqueId of [0x81, 0x82]) if (fields.isNext(uniqueId)) fields.content(uniqueId, 'a unique identifier');
  if (!fields.isNext(contextTag(3))) return true;
  const extensions = fields.enter(contextTag(3), 'its extensions').enter(derTags.sequence, 'its extensions');
  while (!extensions.isAtEnd) {
    const extension = extensions.enter(derTags.sequence, 'an extension');
    const oid = oidText(extension.content(derTags.objectIdentifier, "an extension's name"));
    if (extension.isNext(derTags.boolean)) extension.content(derTags.boolean, 'a flag');
    const value = extension.content(derTags.octetString, `the value of extension ${oid}`);
    if (oid !== keyUsage) continue;
    const [, uses = 0] = new DerReader(value).content(derTags.bitString, 'the key usage');
    return (uses & crlSign) !== 0;
  }
  return true;
}
