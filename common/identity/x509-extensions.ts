// The extensions of a certificate, a revocation list or one of its entries (RFC 5280 §4.1, §5.1). In: what holds them. Out: each.
import { type DerReader, derTags, oidText } from './der-reader.ts';

export interface Extension {
  /** Dotted decimal. */
  readonly oid: string;
  readonly isCritical: boolean;
  readonly value: Buffer;
}

/** @throws MeshError RESOURCE_INVALID */
export function* readExtensions(holder: DerReader): Generator<Extension, void> {
  const extensions = holder.enter(derTags.sequence, 'extensions');
  while (!extensions.isAtEnd) {
    const fields = extensions.enter(derTags.sequence, 'an extension');
    const oid = oidText(fields.content(derTags.objectIdentifier, "an extension's name"));
    const isCritical = fields.isNext(derTags.boolean) && fields.content(derTags.boolean, 'a flag')[0] !== 0;
    yield { oid, isCritical, value: fields.content(derTags.octetString, `the value of extension ${oid}`) };
  }
}
