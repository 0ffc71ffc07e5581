// google.protobuf.Struct, bytes to values and back. Written in ascending order of keys, so that the same values are the same bytes;
// read in any order, unknown fields skipped, nesting bounded. Source: struct.proto, waypoint-telemetry.md §5.1.
import protobuf from 'protobufjs/minimal.js';

export type StructValue = string | number | boolean | null | readonly StructValue[] | Struct;
export type Struct = ReadonlyMap<string, StructValue>;

type Reader = protobuf.Reader;
type Writer = protobuf.Writer;

/** Field number and wire type. Entries, keys and items are field 1 of their messages, an entry's value is field 2. */
const firstTag = 0x0a;
const secondTag = 0x12;
const nullTag = 0x08;
const numberTag = 0x11;
const stringTag = 0x1a;
const boolTag = 0x20;
const structTag = 0x2a;
const listTag = 0x32;

/** Istio's metadata is three deep. */
const maxDepth = 16;

export function encodeStruct(struct: Struct): Buffer {
  return Buffer.from(writeStruct(protobuf.Writer.create(), struct).finish());
}

/** @throws Error with what is wrong */
export function decodeStruct(bytes: Uint8Array): Struct {
  const reader = protobuf.Reader.create(bytes);
  return readStruct(reader, reader.len, maxDepth);
}

function writeStruct(writer: Writer, struct: Struct): Writer {
  const keys = [...struct.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const key of keys) {
    const entry = writer.uint32(firstTag).fork().uint32(firstTag).string(key);
    const value = entry.uint32(secondTag).fork();
    writeValue(value, struct.get(key) ?? null).ldelim();
    entry.ldelim();
  }
  return writer;
}

function writeValue(writer: Writer, value: StructValue): Writer {
  if (value === null) return writer.uint32(nullTag).int32(0);
  if (typeof value === 'number') return writer.uint32(numberTag).double(value);
  if (typeof value === 'string') return writer.uint32(stringTag).string(value);
  if (typeof value === 'boolean') return writer.uint32(boolTag).bool(value);
  if (isStruct(value)) return writeStruct(writer.uint32(structTag).fork(), value).ldelim();
  const list = writer.uint32(listTag).fork();
  for (const item of value) writeValue(list.uint32(firstTag).fork(), item).ldelim();
  return list.ldelim();
}

function readStruct(reader: Reader, end: number, depth: number): Struct {
  if (depth === 0) throw new Error(`nested deeper than ${maxDepth}`);
  const struct = new Map<string, StructValue>();
  readFields(reader, end, (tag) => {
    if (tag !== firstTag) return false;
    let key = '';
    let value: StructValue = null;
    readFields(reader, endOfLengthDelimited(reader), (entryTag) => {
      if (entryTag === firstTag) key = reader.string();
      else if (entryTag === secondTag) value = readValue(reader, endOfLengthDelimited(reader), depth);
      else return false;
      return true;
    });
    struct.set(key, value);
    return true;
  });
  return struct;
}

function readValue(reader: Reader, end: number, depth: number): StructValue {
  let value: StructValue = null;
  readFields(reader, end, (tag) => {
    if (tag === nullTag) value = readNull(reader);
    else if (tag === numberTag) value = reader.double();
    else if (tag === stringTag) value = reader.string();
    else if (tag === boolTag) value = reader.bool();
    else if (tag === structTag) value = readStruct(reader, endOfLengthDelimited(reader), depth - 1);
    else if (tag === listTag) value = readList(reader, endOfLengthDelimited(reader), depth - 1);
    else return false;
    return true;
  });
  return value;
}

function readNull(reader: Reader): null {
  reader.int32();
  return null;
}

function readList(reader: Reader, end: number, depth: number): readonly StructValue[] {
  if (depth === 0) throw new Error(`nested deeper than ${maxDepth}`);
  const list: StructValue[] = [];
  readFields(reader, end, (tag) => {
    if (tag !== firstTag) return false;
    list.push(readValue(reader, endOfLengthDelimited(reader), depth));
    return true;
  });
  return list;
}

/** @param read takes the field's value, or answers false for one it does not know */
function readFields(reader: Reader, end: number, read: (tag: number) => boolean): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (!read(tag)) reader.skipType(tag & 7);
  }
  if (reader.pos !== end) throw new Error('a field reaches beyond its message');
}

function endOfLengthDelimited(reader: Reader): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new Error('a field reaches beyond the end');
  return end;
}

export function isStruct(value: StructValue | undefined): value is Struct {
  return value instanceof Map;
}
