// Reads protobuf messages by a table of their fields: what is not in the table is skipped, a wire type that does not fit
// is refused. In: a reader and a table. Out: the target, filled. Groups and depth are bounded by the reader.
import protobuf from 'protobufjs/minimal.js';
import { MeshError } from '../errors.ts';
import { SharedValues } from './shared-values.ts';

export type Reader = protobuf.Reader;
/** Takes one field's value from the reader and puts it into the target. */
export type Field<T> = (reader: Reader, target: T, wireType: number) => void;
/** By field number. */
export type Fields<T> = Readonly<Record<number, Field<T>>>;

const varint = 0;
const lengthDelimited = 2;

/** @throws MeshError RESOURCE_INVALID, whatever is wrong with the bytes; `what` names them */
export function decodeMessage<T>(bytes: Uint8Array, fields: Fields<T>, target: T, what: string): T {
  try {
    const reader = protobuf.Reader.create(bytes);
    return readMessage(reader, reader.len, fields, target);
  } catch (cause) {
    throw explain(cause, bytes, what);
  }
}

/** @param end position in the reader's bytes */
export function readMessage<T>(reader: Reader, end: number, fields: Fields<T>, target: T): T {
  while (reader.pos < end) readField(reader, fields, target);
  if (reader.pos > end) throw invalid('a field reaches beyond its message');
  return target;
}

function readField<T>(reader: Reader, fields: Fields<T>, target: T): void {
  const tag = reader.uint32();
  const field = fields[tag >>> 3];
  if (field === undefined) reader.skipType(tag & 7);
  else field(reader, target, tag & 7);
}

function explain(cause: unknown, bytes: Uint8Array, what: string): MeshError {
  if (cause instanceof MeshError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new MeshError('RESOURCE_INVALID', `the ${what} (${bytes.length} bytes) is malformed: ${reason}`, { cause });
}

export function text<T>(put: (target: T, value: string) => void): Field<T> {
  return (reader, target, wireType) => {
    demandWireType(wireType, lengthDelimited);
    put(target, reader.string());
  };
}

const texts = new SharedValues<string>();

/** The same for a text that many messages hold: all have one string. */
export function sharedText<T>(put: (target: T, value: string) => void): Field<T> {
  return (reader, target, wireType) => {
    demandWireType(wireType, lengthDelimited);
    const start = reader.pos;
    const end = endOf(reader);
    const from = reader.pos;
    const read = (): string => {
      reader.pos = start;
      return reader.string();
    };
    put(target, texts.take(reader.buf, from, end, read));
    reader.pos = end;
  };
}

/** A view into the bytes that are read, not a copy. */
export function bytes<T>(put: (target: T, value: Uint8Array) => void): Field<T> {
  return (reader, target, wireType) => {
    demandWireType(wireType, lengthDelimited);
    put(target, reader.bytes());
  };
}

export function uint32<T>(put: (target: T, value: number) => void): Field<T> {
  return (reader, target, wireType) => {
    demandWireType(wireType, varint);
    put(target, reader.uint32());
  };
}

/** A repeated number, packed or not. */
export function uint32s<T>(put: (target: T, value: number) => void): Field<T> {
  return (reader, target, wireType) => {
    if (wireType === varint) {
      put(target, reader.uint32());
      return;
    }
    demandWireType(wireType, lengthDelimited);
    const end = endOf(reader);
    while (reader.pos < end) put(target, reader.uint32());
    if (reader.pos > end) throw invalid('a number reaches beyond its list');
  };
}

export function bool<T>(put: (target: T, value: boolean) => void): Field<T> {
  return (reader, target, wireType) => {
    demandWireType(wireType, varint);
    put(target, reader.bool());
  };
}

/** @param names by number; one that is missing is refused, or read as the fallback where there is one */
export function choice<T, N extends string>(
  what: string,
  names: readonly (N | undefined)[],
  put: (target: T, value: N) => void,
  fallback?: N,
): Field<T> {
  return (reader, target, wireType) => {
    demandWireType(wireType, varint);
    const value = reader.int32();
    const name = names[value] ?? fallback;
    if (name === undefined) throw invalid(`${what} ${value} is unknown`);
    put(target, name);
  };
}

/** Repeated choices, packed or not. */
export function choices<T, N extends string>(
  what: string,
  names: readonly (N | undefined)[],
  put: (target: T, value: N) => void,
): Field<T> {
  return uint32s((target, value) => {
    const name = names[value];
    if (name === undefined) throw invalid(`${what} ${value} is unknown`);
    put(target, name);
  });
}

/** @param put gets a fresh value, filled; it may check it */
export function message<T, M>(fields: Fields<M>, create: () => M, put: (target: T, value: M) => void): Field<T> {
  return (reader, target, wireType) => {
    demandWireType(wireType, lengthDelimited);
    put(target, readMessage(reader, endOf(reader), fields, create()));
  };
}

/** The same for a message that many messages hold: all have one value, made by `finish` from what was read. */
export function sharedMessage<T, M, V>(
  fields: Fields<M>,
  create: () => M,
  finish: (read: M) => V,
  put: (target: T, value: V) => void,
): Field<T> {
  const values = new SharedValues<V>();
  return (reader, target, wireType) => {
    demandWireType(wireType, lengthDelimited);
    const end = endOf(reader);
    const read = (): V => finish(readMessage(reader, end, fields, create()));
    put(target, values.take(reader.buf, reader.pos, end, read));
    reader.pos = end;
  };
}

export function invalid(reason: string): MeshError {
  return new MeshError('RESOURCE_INVALID', reason);
}

function endOf(reader: Reader): number {
  const length = reader.uint32();
  return reader.pos + length;
}

export function demandWireType(wireType: number, wanted: number): void {
  if (wireType !== wanted) throw invalid(`a field has wire type ${wireType}, expected ${wanted}`);
}
