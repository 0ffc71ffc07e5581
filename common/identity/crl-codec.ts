// Certificate revocation lists from their bytes (RFC 5280 §5): PEM with several of them, or the DER of one. In: a file's bytes. Out: the
// lists. Times are not read: an old list still says what it says (ztunnel.md §7).
import { contextTag, DerReader, derTags, malformed, oidText } from './der-reader.ts';
import type { RevocationList, SignatureAlgorithm } from './revocation-list.ts';
import { readExtensions } from './x509-extensions.ts';

/** Twenty times what a ConfigMap holds. */
export const maxRevocationFileBytes = 20 * 1024 * 1024;

const signatureAlgorithms: Readonly<Record<string, SignatureAlgorithm>> = {
  '1.2.840.10045.4.3.2': { key: 'ec', hash: 'sha256' },
  '1.2.840.10045.4.3.3': { key: 'ec', hash: 'sha384' },
  '1.2.840.10045.4.3.4': { key: 'ec', hash: 'sha512' },
  '1.2.840.113549.1.1.11': { key: 'rsa', hash: 'sha256' },
  '1.2.840.113549.1.1.12': { key: 'rsa', hash: 'sha384' },
  '1.2.840.113549.1.1.13': { key: 'rsa', hash: 'sha512' },
  '1.3.101.112': { key: 'ed25519', hash: null },
};

const deltaIndicator = '2.5.29.27';
const issuingDistributionPoint = '2.5.29.28';
const certificateIssuer = '2.5.29.29';
/** Reason, invalidity date, CRL number, distribution point, authority key, authority information: none changes what is revoked. */
const understood = ['2.5.29.21', '2.5.29.24', '2.5.29.20', issuingDistributionPoint, '2.5.29.35', '1.3.6.1.5.5.7.1.1'];

/** @param bytes nothing, or blanks alone, is no revocation. @throws MeshError RESOURCE_INVALID, saying which list is wrong and why */
export function readRevocationLists(bytes: Buffer): readonly RevocationList[] {
  if (bytes.length > maxRevocationFileBytes) throw malformed(`more than ${maxRevocationFileBytes} bytes`);
  const ders = isPem(bytes) ? pemBlocks(bytes.toString('latin1')) : isBlank(bytes) ? [] : [bytes];
  return ders.map((der, index) => {
    try {
      return readList(der);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw malformed(`revocation list ${index + 1} of ${ders.length} cannot be used: ${reason}`);
    }
  });
}

function isPem(bytes: Buffer): boolean {
  return bytes.subarray(0, 64).toString('latin1').trimStart().startsWith('-----BEGIN');
}

function isBlank(bytes: Buffer): boolean {
  return bytes.length < 64 && bytes.toString('latin1').trim() === '';
}

/** Blocks of other kinds are skipped; what is still being written lacks an end. */
function pemBlocks(text: string): readonly Buffer[] {
  const blocks = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g)];
  const begun = text.split('-----BEGIN ').length - 1;
  if (begun !== blocks.length) throw malformed(`${begun - blocks.length} of ${begun} PEM blocks have no end`);
  return blocks.filter(([, label]) => label === 'X509 CRL').map(([, , base64 = '']) => Buffer.from(base64, 'base64'));
}

function readList(der: Buffer): RevocationList {
  const file = new DerReader(der);
  const list = file.enter(derTags.sequence, 'the list');
  if (!file.isAtEnd) throw malformed('more bytes follow the list');
  const signedPart = list.whole(derTags.sequence, 'its signed part');
  const algorithm = list.whole(derTags.sequence, 'its signature algorithm');
  const [unusedBits, ...signature] = list.content(derTags.bitString, 'its signature');
  if (unusedBits !== 0) throw malformed('its signature is no whole number of bytes');
  const fields = new DerReader(signedPart).enter(derTags.sequence, 'its signed part');
  if (fields.isNext(derTags.integer)) fields.content(derTags.integer, 'its version');
  if (!fields.whole(derTags.sequence, 'its signature algorithm').equals(algorithm)) {
    throw malformed('it names two signature algorithms');
  }
  const issuer = fields.whole(derTags.sequence, 'its issuer').toString('latin1');
  skipTime(fields, 'thisUpdate');
  if (fields.isNext(derTags.utcTime) || fields.isNext(derTags.generalizedTime)) skipTime(fields, 'nextUpdate');
  const serialNumbers = new Set<string>();
  if (fields.isNext(derTags.sequence)) readEntries(fields.enter(derTags.sequence, 'its certificates'), serialNumbers);
  if (fields.isNext(contextTag(0))) checkExtensions(fields.enter(contextTag(0), 'its extensions'));
  return {
    issuer,
    serialNumbers,
    signedPart: new Uint8Array(signedPart),
    signature: new Uint8Array(signature),
    signatureAlgorithm: readAlgorithm(algorithm),
  };
}

function readAlgorithm(der: Buffer): SignatureAlgorithm {
  const fields = new DerReader(der).enter(derTags.sequence, 'its signature algorithm');
  const oid = oidText(fields.content(derTags.objectIdentifier, 'its signature algorithm'));
  const known = signatureAlgorithms[oid];
  if (known === undefined) throw malformed(`it is signed by algorithm ${oid}, which is not supported`);
  return known;
}

function skipTime(fields: DerReader, what: string): void {
  const tag = fields.isNext(derTags.generalizedTime) ? derTags.generalizedTime : derTags.utcTime;
  fields.content(tag, what);
}

function readEntries(entries: DerReader, serialNumbers: Set<string>): void {
  while (!entries.isAtEnd) {
    const entry = entries.enter(derTags.sequence, 'an entry');
    serialNumbers.add(entry.content(derTags.integer, 'a serial number').toString('latin1'));
    skipTime(entry, 'a revocation date');
    if (!entry.isAtEnd) checkExtensions(entry);
  }
}

/** A list that says more than is understood here may mean something else (RFC 5280 §5.2, §5.3). */
function checkExtensions(holder: DerReader): void {
  for (const { oid, isCritical, value } of readExtensions(holder)) {
    if (oid === deltaIndicator) throw malformed('it is a delta list, which is not supported');
    if (oid === certificateIssuer || (oid === issuingDistributionPoint && isIndirect(value))) {
      throw malformed('it revokes certificates of other issuers (an indirect list), which is not supported');
    }
    if (isCritical && !understood.includes(oid)) throw malformed(`its critical extension ${oid} is not supported`);
  }
}

/** `indirectCRL [4]` of IssuingDistributionPoint. */
function isIndirect(value: Buffer): boolean {
  const fields = new DerReader(value).enter(derTags.sequence, 'a distribution point');
  for (const tag of [contextTag(0), 0x81, 0x82, 0x83]) if (fields.isNext(tag)) fields.content(tag, 'a field');
  return fields.isNext(0x84) && fields.content(0x84, 'a flag')[0] !== 0;
}
