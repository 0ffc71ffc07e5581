// The messages by which the CNI agent hands pods to ztunnel (package istio.workload.zds): one protobuf message a packet.
// Bytes to values and back; unknown fields are skipped. Source: ztunnel.md §5.2, istio-control.md §2.10.
import protobuf from 'protobufjs/minimal.js';
import { MeshError } from '../errors.ts';

/** ztunnel and the agent both read with a buffer of this size. */
export const maxZdsPacketBytes = 1024;
export const zdsVersion = 1;

export interface WorkloadInfo {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** A pod on this node; `uid` is its Kubernetes UID. */
export interface PodWorkload extends WorkloadInfo {
  readonly uid: string;
}

/** From the agent to ztunnel. Exactly one descriptor, of the pod's network namespace, travels with `add`. */
export type ZdsRequest =
  | { readonly kind: 'add'; readonly uid: string; readonly info: WorkloadInfo | undefined }
  | { readonly kind: 'keep'; readonly uid: string }
  | { readonly kind: 'delete'; readonly uid: string }
  | { readonly kind: 'snapshot-sent' };

/** From ztunnel to the agent, one for each request; without an error the request is done. */
export interface ZdsAcknowledgement {
  readonly error: string | undefined;
}

/** Field numbers of the oneof in WorkloadRequest. */
const payload = { add: 1, delete: 2, 'snapshot-sent': 3, keep: 5 } as const;
/** DelWorkload numbers its uid 2, unlike the others. */
const uidField = { add: 1, keep: 1, delete: 2 } as const;

export function encodeHello(): Buffer {
  return finish(protobuf.Writer.create().uint32(tag(1, varint)).uint32(zdsVersion));
}

/** @returns the version the client speaks. @throws MeshError RESOURCE_INVALID */
export function decodeHello(bytes: Uint8Array): number {
  let version = 0;
  read(bytes, (reader, field) => {
    if (field === 1) version = reader.uint32();
    else return false;
    return true;
  });
  return version;
}

/** @throws MeshError RESOURCE_INVALID when it is longer than ztunnel can read */
export function encodeRequest(request: ZdsRequest): Buffer {
  const writer = protobuf.Writer.create().uint32(tag(payload[request.kind], lengthDelimited)).fork();
  if (request.kind !== 'snapshot-sent') writer.uint32(tag(uidField[request.kind], lengthDelimited)).string(request.uid);
  if (request.kind === 'add' && request.info !== undefined) encodeInfo(writer, request.info);
  const bytes = finish(writer.ldelim());
  if (bytes.length <= maxZdsPacketBytes) return bytes;
  throw new MeshError(
    'RESOURCE_INVALID',
    `a ZDS message has ${bytes.length} bytes, ztunnel reads ${maxZdsPacketBytes}`,
  );
}

/** @throws MeshError RESOURCE_INVALID when it is malformed or has no payload that we know */
export function decodeRequest(bytes: Uint8Array): ZdsRequest {
  let request: ZdsRequest | undefined;
  read(bytes, (reader, field) => {
    if (field === payload.add) request = decodeAdd(reader.bytes());
    else if (field === payload.delete) request = { kind: 'delete', uid: decodeUid(reader.bytes(), uidField.delete) };
    else if (field === payload.keep) request = { kind: 'keep', uid: decodeUid(reader.bytes(), uidField.keep) };
    else if (field === payload['snapshot-sent']) request = snapshotSent(reader.bytes());
    else return false;
    return true;
  });
  if (request === undefined) throw malformed(bytes, 'it holds no message that this version knows');
  return request;
}

/** An error text is cut where the agent would stop reading. */
export function encodeAcknowledgement({ error }: ZdsAcknowledgement): Buffer {
  const writer = protobuf.Writer.create().uint32(tag(1, lengthDelimited)).fork();
  if (error !== undefined && error !== '') writer.uint32(tag(1, lengthDelimited)).string(cut(error));
  return finish(writer.ldelim());
}

/** @throws MeshError RESOURCE_INVALID */
export function decodeAcknowledgement(bytes: Uint8Array): ZdsAcknowledgement {
  let acknowledgement: ZdsAcknowledgement | undefined;
  read(bytes, (reader, field) => {
    if (field !== 1) return false;
    let error: string | undefined;
    read(reader.bytes(), (inner, innerField) => {
      if (innerField === 1) error = inner.string() || undefined;
      else return false;
      return true;
    });
    acknowledgement = { error };
    return true;
  });
  if (acknowledgement === undefined) throw malformed(bytes, 'it holds no acknowledgement');
  return acknowledgement;
}

const varint = 0;
const lengthDelimited = 2;

function tag(field: number, wireType: number): number {
  return (field << 3) | wireType;
}

function encodeInfo(writer: protobuf.Writer, info: WorkloadInfo): void {
  writer.uint32(tag(2, lengthDelimited)).fork();
  const fields = [info.name, info.namespace, info.serviceAccount];
  for (const [index, value] of fields.entries()) {
    if (value !== '') writer.uint32(tag(index + 1, lengthDelimited)).string(value);
  }
  writer.ldelim();
}

function decodeAdd(bytes: Uint8Array): ZdsRequest {
  let uid = '';
  let info: WorkloadInfo | undefined;
  read(bytes, (reader, field) => {
    if (field === uidField.add) uid = reader.string();
    else if (field === 2) info = decodeInfo(reader.bytes());
    else return false;
    return true;
  });
  return { kind: 'add', uid, info };
}

function decodeInfo(bytes: Uint8Array): WorkloadInfo {
  const fields = ['', '', ''];
  read(bytes, (reader, field) => {
    if (field < 1 || field > 3) return false;
    fields[field - 1] = reader.string();
    return true;
  });
  const [name = '', namespace = '', serviceAccount = ''] = fields;
  return { name, namespace, serviceAccount };
}

function decodeUid(bytes: Uint8Array, uidNumber: number): string {
  let uid = '';
  read(bytes, (reader, field) => {
    if (field === uidNumber) uid = reader.string();
    else return false;
    return true;
  });
  return uid;
}

function snapshotSent(bytes: Uint8Array): ZdsRequest {
  read(bytes, () => false);
  return { kind: 'snapshot-sent' };
}

/** @param take reads the field's value, or returns false for a field that it does not know */
function read(bytes: Uint8Array, take: (reader: protobuf.Reader, field: number) => boolean): void {
  try {
    const reader = protobuf.Reader.create(bytes);
    while (reader.pos < reader.len) {
      const key = reader.uint32();
      if (!take(reader, key >>> 3)) reader.skipType(key & 7);
    }
  } catch (cause) {
    throw cause instanceof MeshError ? cause : malformed(bytes, String(cause), cause);
  }
}

function malformed(bytes: Uint8Array, reason: string, cause?: unknown): MeshError {
  return new MeshError('RESOURCE_INVALID', `a ZDS message of ${bytes.length} bytes cannot be read: ${reason}`, {
    cause,
  });
}

function cut(text: string): string {
  const roomBytes = maxZdsPacketBytes - 16;
  const bytes = Buffer.from(text);
  if (bytes.length <= roomBytes) return text;
  let end = roomBytes;
  // Back to the start of a character: its continuation bytes are 10xxxxxx.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end).toString();
}

function finish(writer: protobuf.Writer): Buffer {
  return Buffer.from(writer.finish());
}
