// The delta discovery messages of xDS (ztunnel.md §6.1): requests are written, responses read. Both may hold 100 000 names, so
// the large parts are done in steps: generators that yield between them, so that other work is never held up for long.
import protobuf from 'protobufjs/minimal.js';
import { bytes, decodeInSteps, decodeMessage, type Fields, message, text } from './protobuf-fields.ts';

export const deltaPath = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
/** Of one message; ztunnel's bound. */
export const maxResponseBytes = 200 * 1_048_576;

/** What google.protobuf.Struct can hold. */
export type StructValue = string | number | boolean | null | readonly StructValue[] | StructFields;
export interface StructFields {
  readonly [name: string]: StructValue;
}

export interface DiscoveryNode {
  readonly id: string;
  readonly metadata: StructFields;
}

export interface DeltaRequest {
  /** In the first request of a type on a stream. */
  readonly node?: DiscoveryNode;
  readonly typeUrl: string;
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  /** From `encodeVersions`. */
  readonly initialVersions?: readonly Uint8Array[];
  readonly responseNonce?: string;
  /** Makes it a refusal. */
  readonly errorMessage?: string;
}

/** A response of which only the outline has been read; the resources stay bytes. */
export interface DeltaResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  /** Bytes of each `Resource` message: views, not copies. */
  readonly resources: readonly Uint8Array[];
  readonly removed: readonly string[];
}

export interface DiscoveryResource {
  readonly name: string;
  readonly version: string;
  /** What is inside; empty where the resource holds nothing. */
  readonly value: Uint8Array;
}

const lengthDelimited = 2;
/** Entries between two yields. */
const entriesPerStep = 512;

function tag(field: number): number {
  return (field << 3) | lengthDelimited;
}

export function encodeDeltaRequest(request: DeltaRequest): Buffer {
  const writer = protobuf.Writer.create();
  const { node, typeUrl, subscribe = [], unsubscribe = [], initialVersions = [] } = request;
  if (node !== undefined) writeNode(writer.uint32(tag(1)).fork(), node).ldelim();
  writer.uint32(tag(2)).string(typeUrl);
  for (const name of subscribe) writer.uint32(tag(3)).string(name);
  for (const name of unsubscribe) writer.uint32(tag(4)).string(name);
  const tail = protobuf.Writer.create();
  if (request.responseNonce !== undefined) tail.uint32(tag(6)).string(request.responseNonce);
  if (request.errorMessage !== undefined) {
    tail.uint32(tag(7)).fork().uint32(tag(2)).string(request.errorMessage).ldelim();
  }
  return Buffer.concat([writer.finish(), ...initialVersions, tail.finish()]);
}

/** The field `initial_resource_versions`, in pieces. */
export function* encodeVersions(
  versions: Iterable<readonly [name: string, version: string]>,
): Generator<undefined, readonly Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  let writer = protobuf.Writer.create();
  let count = 0;
  for (const [name, version] of versions) {
    writer.uint32(tag(5)).fork().uint32(tag(1)).string(name).uint32(tag(2)).string(version).ldelim();
    if (++count % entriesPerStep !== 0) continue;
    pieces.push(writer.finish());
    writer = protobuf.Writer.create();
    yield;
  }
  pieces.push(writer.finish());
  return pieces;
}

function writeNode(writer: protobuf.Writer, { id, metadata }: DiscoveryNode): protobuf.Writer {
  writer.uint32(tag(1)).string(id);
  return writeStruct(writer.uint32(tag(3)).fork(), metadata).ldelim();
}

function writeStruct(writer: protobuf.Writer, fields: StructFields): protobuf.Writer {
  for (const [name, value] of Object.entries(fields)) {
    writer.uint32(tag(1)).fork().uint32(tag(1)).string(name);
    writeValue(writer.uint32(tag(2)).fork(), value)
      .ldelim()
      .ldelim();
  }
  return writer;
}

/** google.protobuf.Value: null 1, number 2, string 3, bool 4, struct 5, list 6. */
function writeValue(writer: protobuf.Writer, value: StructValue): protobuf.Writer {
  if (value === null) return writer.uint32(8).int32(0);
  if (typeof value === 'number') return writer.uint32(17).double(value);
  if (typeof value === 'string') return writer.uint32(tag(3)).string(value);
  if (typeof value === 'boolean') return writer.uint32(32).bool(value);
  if (!isList(value)) return writeStruct(writer.uint32(tag(5)).fork(), value).ldelim();
  writer.uint32(tag(6)).fork();
  for (const item of value) writeValue(writer.uint32(tag(1)).fork(), item).ldelim();
  return writer.ldelim();
}

function isList(value: StructValue): value is readonly StructValue[] {
  return Array.isArray(value);
}

interface ResponseDraft {
  typeUrl: string;
  nonce: string;
  resources: Uint8Array[];
  removed: string[];
}

const responseFields: Fields<ResponseDraft> = {
  2: bytes((response, value) => void response.resources.push(value)),
  4: text((response, value) => {
    response.typeUrl = value;
  }),
  5: text((response, value) => {
    response.nonce = value;
  }),
  6: text((response, value) => void response.removed.push(value)),
};

/** @throws MeshError RESOURCE_INVALID */
export function* readDeltaResponse(response: Uint8Array): Generator<undefined, DeltaResponse> {
  const draft: ResponseDraft = { typeUrl: '', nonce: '', resources: [], removed: [] };
  return yield* decodeInSteps(response, responseFields, draft, entriesPerStep);
}

interface ResourceDraft {
  name: string;
  version: string;
  value: Uint8Array;
}

const anyFields: Fields<{ value: Uint8Array }> = {
  2: bytes((any, value) => {
    any.value = value;
  }),
};
const nothing = new Uint8Array();

const resourceFields: Fields<ResourceDraft> = {
  1: text((resource, value) => {
    resource.version = value;
  }),
  2: message(
    anyFields,
    () => ({ value: nothing }),
    (resource, { value }) => {
      resource.value = value;
    },
  ),
  3: text((resource, value) => {
    resource.name = value;
  }),
};

/** @throws MeshError RESOURCE_INVALID */
export function readResource(resource: Uint8Array): DiscoveryResource {
  return decodeMessage(resource, resourceFields, { name: '', version: '', value: nothing }, 'Resource');
}
