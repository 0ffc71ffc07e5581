// OTLP's messages for logs, values to bytes: one record at a time, and the request around many of them; and a collector's answer, bytes to
// value. Source: opentelemetry-proto v1.3, logs.proto, common.proto, logs_service.proto.
import protobuf from 'protobufjs';
import { MeshError } from '../../errors.ts';

export const exportLogsPath = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';

export type OtlpAttributes = readonly (readonly [name: string, value: string])[];

export interface OtlpLogRecord {
  /** Milliseconds since 1970, with a fraction. */
  readonly timeMs: number;
  readonly observedMs: number;
  readonly body: string;
  readonly attributes: OtlpAttributes;
  readonly trace: OtlpTrace | undefined;
}

/** 16 and 8 bytes, and the trace flags. */
export interface OtlpTrace {
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  readonly flags: number;
}

export interface OtlpAnswer {
  /** Records that the collector did not take, and will not. */
  readonly rejected: number;
  readonly message: string;
}

/** Field numbers with their wire types, as they stand before a field's value. */
const key = {
  fixed64: (field: number) => (field << 3) | 1,
  bytes: (field: number) => (field << 3) | 2,
  fixed32: (field: number) => (field << 3) | 5,
} as const;

export function encodeLogRecord({ timeMs, observedMs, body, attributes, trace }: OtlpLogRecord): Uint8Array {
  const writer = protobuf.Writer.create();
  writeTime(writer, 1, timeMs);
  writer.uint32(key.bytes(5)).fork().uint32(key.bytes(1)).string(body).ldelim();
  writeAttributes(writer, 6, attributes);
  if (trace !== undefined) {
    writer.uint32(key.fixed32(8)).fixed32(trace.flags);
    writer.uint32(key.bytes(9)).bytes(trace.traceId);
    writer.uint32(key.bytes(10)).bytes(trace.spanId);
  }
  writeTime(writer, 11, observedMs);
  return writer.finish();
}

/** @param items encoded records, all of one resource and scope */
export function encodeExportRequest(resource: OtlpAttributes, scope: string, items: readonly Uint8Array[]): Buffer {
  const writer = protobuf.Writer.create();
  writer.uint32(key.bytes(1)).fork();
  writeAttributes(writer.uint32(key.bytes(1)).fork(), 1, resource).ldelim();
  writer.uint32(key.bytes(2)).fork();
  writer.uint32(key.bytes(1)).fork().uint32(key.bytes(1)).string(scope).ldelim();
  for (const item of items) writer.uint32(key.bytes(2)).bytes(item);
  return Buffer.from(writer.ldelim().ldelim().finish());
}

const responseType = protobuf
  .parse(`
  syntax = "proto3";
  message Response { PartialSuccess partial_success = 1; }
  message PartialSuccess { int64 rejected = 1; string error_message = 2; }
`)
  .root.lookupType('Response');

/** @throws MeshError RESOURCE_INVALID */
export function decodeExportResponse(bytes: Uint8Array): OtlpAnswer {
  try {
    const { partialSuccess = {} } = responseType.toObject(responseType.decode(bytes), { longs: Number });
    const { rejected = 0, errorMessage = '' } = partialSuccess;
    return { rejected, message: errorMessage };
  } catch (cause) {
    const what = `a collector's answer of ${bytes.length} bytes`;
    throw new MeshError('RESOURCE_INVALID', `cannot decode ${what}: ${String(cause)}`, { cause });
  }
}

function writeAttributes(writer: protobuf.Writer, field: number, attributes: OtlpAttributes): protobuf.Writer {
  for (const [name, value] of attributes) {
    writer.uint32(key.bytes(field)).fork().uint32(key.bytes(1)).string(name);
    writer.uint32(key.bytes(2)).fork().uint32(key.bytes(1)).string(value).ldelim().ldelim();
  }
  return writer;
}

/** Nanoseconds do not fit into a number: microseconds are what is known. The low half comes first. */
function writeTime(writer: protobuf.Writer, field: number, timeMs: number): void {
  const nanoseconds = BigInt(Math.round(timeMs * 1_000)) * 1_000n;
  writer
    .uint32(key.fixed64(field))
    .fixed32(Number(nanoseconds & 0xffff_ffffn))
    .fixed32(Number(nanoseconds >> 32n));
}
