// The delta discovery messages of xDS (ztunnel.md §6.1): requests are written, responses read. Both may hold 100 000 names, so
// the large parts are done in steps: generators that yield between them, so that other work is never held up for long.
import protobuf from 'protobufjs/minimal.js';
import { PieceReader } from './piece-reader.ts';
import { bytes, decodeMessage, demandWireType, type Fields, message, text } from './protobuf-fields.ts';

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

/** A response of which only the outline has been read; its resources stay bytes (`resourcesOf`). */
export interface DeltaResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly resources: number;
  readonly removed: readonly string[];
}

export interface DiscoveryResource {
  readonly name: string;
  readonly version: string;
  /** Other names for it: `network/ip` of a workload or service. */
  readonly aliases: readonly string[];
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

/** The field `initial_resource_versions`, in pieces. Undefined is skipped. */
export function* encodeVersions(
  versions: Iterable<readonly [name: string, version: string] | undefined>,
): Generator<undefined, readonly Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  let writer = protobuf.Writer.create();
  let count = 0;
  for (const entry of versions) {
    if (entry !== undefined) {
      const [name, version] = entry;
      writer.uint32(tag(5)).fork().uint32(tag(1)).string(name).uint32(tag(2)).string(version).ldelim();
    }
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

const resourcesField = 2;
const typeUrlField = 4;
const nonceField = 5;
const removedField = 6;

/** @param pieces the bytes of the message, in order. @throws MeshError RESOURCE_INVALID */
export function* readDeltaResponse(pieces: readonly Uint8Array[]): Generator<undefined, DeltaResponse> {
  const reader = new PieceReader(pieces);
  let [typeUrl, nonce, resources] = ['', '', 0];
  const removed: string[] = [];
  for (let count = 1; ; count++) {
    const tag = reader.tag();
    if (tag === undefined) return { typeUrl, nonce, resources, removed };
    const { field, wireType } = tag;
    if (field >= resourcesField && field <= removedField && field !== 3) demandWireType(wireType, lengthDelimited);
    if (field === typeUrlField) typeUrl = reader.text();
    else if (field === nonceField) nonce = reader.text();
    else if (field === removedField) removed.push(reader.text());
    else reader.skip(wireType);
    if (field === resourcesField) resources += 1;
    if (count % entriesPerStep === 0) yield;
  }
}

/** The bytes of each `Resource` message of a response whose outline has been read: views, where they lie in one piece. */
export function* resourcesOf(pieces: readonly Uint8Array[]): Generator<Uint8Array, void> {
  const reader = new PieceReader(pieces);
  for (let tag = reader.tag(); tag !== undefined; tag = reader.tag()) {
    if (tag.field === resourcesField) yield reader.bytes();
    else reader.skip(tag.wireType);
  }
}

interface ResourceDraft {
  name: string;
  version: string;
  aliases: readonly string[];
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
  4: text((resource, value) => {
    resource.aliases = [...resource.aliases, value];
  }),
};
const noAliases: readonly string[] = [];

/** @throws MeshError RESOURCE_INVALID */
export function readResource(resource: Uint8Array): DiscoveryResource {
  return decodeMessage(
    resource,
    resourceFields,
    { name: '', version: '', aliases: noAliases, value: nothing },
    'Resource',
  );
}
