// The messages of `istio.v1.auth.IstioCertificateService/CreateCertificate` (ztunnel.md §7), bytes to values and back.
// Of the request's metadata (a google.protobuf.Struct) only the text fields are read; whatever else is there is skipped.
import protobuf from 'protobufjs';
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

const schema = protobuf.parse(`
  syntax = "proto3";
  message Request { string csr = 1; int64 validity_duration = 3; Struct metadata = 4; }
  message Response { repeated string cert_chain = 1; }
  message Struct { map<string, Value> fields = 1; }
  message Value { optional string string_value = 3; }
`).root;
const requestType = schema.lookupType('Request');
const responseType = schema.lookupType('Response');
const impersonationField = 'ImpersonatedIdentity';

export function encodeCertificateRequest(request: CertificateRequest): Buffer {
  const { csrPem: csr, validitySeconds: validityDuration, impersonated } = request;
  const fields = { [impersonationField]: { stringValue: impersonated } };
  return encode(requestType, { csr, validityDuration, ...(impersonated !== undefined && { metadata: { fields } }) });
}

/** @throws MeshError RESOURCE_INVALID */
export function decodeCertificateRequest(bytes: Uint8Array): CertificateRequest {
  const { csr, validityDuration, metadata } = decode(requestType, bytes);
  const impersonated = record(record(record(metadata)['fields'])[impersonationField])['stringValue'];
  return {
    csrPem: typeof csr === 'string' ? csr : '',
    validitySeconds: typeof validityDuration === 'number' ? validityDuration : 0,
    impersonated: typeof impersonated === 'string' && impersonated !== '' ? impersonated : undefined,
  };
}

export function encodeCertificateResponse(response: CertificateResponse): Buffer {
  return encode(responseType, { certChain: response.chain });
}

/** @throws MeshError RESOURCE_INVALID */
export function decodeCertificateResponse(bytes: Uint8Array): CertificateResponse {
  const { certChain } = decode(responseType, bytes);
  return { chain: Array.isArray(certChain) ? certChain.filter((pem) => typeof pem === 'string') : [] };
}

function encode(type: protobuf.Type, value: Record<string, unknown>): Buffer {
  return Buffer.from(type.encode(type.fromObject(value)).finish());
}

function decode(type: protobuf.Type, bytes: Uint8Array): Record<string, unknown> {
  try {
    return type.toObject(type.decode(bytes), { longs: Number });
  } catch (cause) {
    const what = `CreateCertificate ${type.name.toLowerCase()} of ${bytes.length} bytes`;
    throw new MeshError('RESOURCE_INVALID', `cannot decode the ${what}: ${String(cause)}`, { cause });
  }
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
