// The messages of `istio.v1.auth.IstioCertificateService/CreateCertificate` (ztunnel.md §7), bytes to values and back.
// Of the request's metadata (a google.protobuf.Struct) only one text field is read; whatever else is there is skipped.
import protobuf from 'protobufjs/minimal.js';
import { MeshError } from '../errors.ts';

export const createCertificatePath = '/istio.v1.auth.IstioCertificateService/CreateCertificate';

export interface CertificateRequest {
  readonly csrPem: string;
  readonly validitySeconds: number;
  /** The SPIFFE id that a node asks for on behalf of a workload; absent when a workload asks for itself. */
  readonly impersonated: string | undefined;
}

export interface CertificateResponse {
  /** PEM texts: leaf, intermediates, and last the roots. */
  readonly chain: readonly string[];
}

type Reader = protobuf.Reader;
/** Takes the field's value, or answers false for one that it does not know. */
type ReadField = (reader: Reader, tag: number) => boolean;

/** Field number and wire type. */
const csrTag = 0x0a;
const validityTag = 0x18;
const metadataTag = 0x22;
const certificateTag = 0x0a;
/** Of a Struct, of its entries, and of a Value. */
const entryTag = 0x0a;
const keyTag = 0x0a;
const valueTag = 0x12;
const textTag = 0x1a;

const impersonationField = 'ImpersonatedIdentity';

export function encodeCertificateRequest({ csrPem, validitySeconds, impersonated }: CertificateRequest): Buffer {
  const writer = protobuf.Writer.create();
  if (csrPem !== '') writer.uint32(csrTag).string(csrPem);
  if (validitySeconds !== 0) writer.uint32(validityTag).int64(validitySeconds);
  if (impersonated !== undefined) {
    const entry = writer.uint32(metadataTag).fork().uint32(entryTag).fork();
    const value = entry.uint32(keyTag).string(impersonationField).uint32(valueTag).fork();
    value.uint32(textTag).string(impersonated).ldelim().ldelim().ldelim();
  }
  return Buffer.from(writer.finish());
}

/** @throws MeshError RESOURCE_INVALID */
export function decodeCertificateRequest(bytes: Uint8Array): CertificateRequest {
  let csrPem = '';
  let validitySeconds = 0;
  let impersonated: string | undefined;
  decode(bytes, 'request', (reader, tag) => {
    if (tag === csrTag) csrPem = reader.string();
    else if (tag === validityTag) validitySeconds = Number(String(reader.int64()));
    else if (tag === metadataTag) impersonated = readImpersonated(reader.bytes());
    else return false;
    return true;
  });
  return { csrPem, validitySeconds, impersonated: impersonated === '' ? undefined : impersonated };
}

export function encodeCertificateResponse({ chain }: CertificateResponse): Buffer {
  const writer = protobuf.Writer.create();
  for (const pem of chain) writer.uint32(certificateTag).string(pem);
  return Buffer.from(writer.finish());
}

/** @throws MeshError RESOURCE_INVALID */
export function decodeCertificateResponse(bytes: Uint8Array): CertificateResponse {
  const chain: string[] = [];
  decode(bytes, 'response', (reader, tag) => {
    if (tag !== certificateTag) return false;
    chain.push(reader.string());
    return true;
  });
  return { chain };
}

/** Of entries with the same key the last one counts, as in every map of protobuf. */
function readImpersonated(struct: Uint8Array): string | undefined {
  let impersonated: string | undefined;
  readFields(struct, (reader, tag) => {
    if (tag !== entryTag) return false;
    const { key, text } = readEntry(reader.bytes());
    if (key === impersonationField) impersonated = text;
    return true;
  });
  return impersonated;
}

function readEntry(bytes: Uint8Array): { readonly key: string; readonly text: string | undefined } {
  let key = '';
  let text: string | undefined;
  readFields(bytes, (reader, tag) => {
    if (tag === keyTag) key = reader.string();
    else if (tag === valueTag) text = readText(reader.bytes());
    else return false;
    return true;
  });
  return { key, text };
}

/** Of a Value; undefined when it is of another kind. */
function readText(bytes: Uint8Array): string | undefined {
  let text: string | undefined;
  readFields(bytes, (reader, tag) => {
    if (tag !== textTag) return false;
    text = reader.string();
    return true;
  });
  return text;
}

function decode(bytes: Uint8Array, what: string, read: ReadField): void {
  try {
    readFields(bytes, read);
  } catch (cause) {
    const reason = `cannot decode the CreateCertificate ${what} of ${bytes.length} bytes: ${String(cause)}`;
    throw new MeshError('RESOURCE_INVALID', reason, { cause });
  }
}

function readFields(bytes: Uint8Array, read: ReadField): void {
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    // The number tells the reader's own check which group it is in, and that there is no field 0.
    if (!read(reader, tag)) reader.skipType(tag & 7, 0, tag >>> 3);
  }
}
