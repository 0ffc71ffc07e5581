// OTLP export requests for logs, read by the published schema (opentelemetry-proto v1.3). What the schema does not know, or what is not written in
// the order of its fields, is an error.
import protobuf from 'protobufjs';

export interface ReadRecord {
  readonly timeUnixNano: bigint;
  readonly observedTimeUnixNano: bigint;
  readonly body: string;
  readonly attributes: readonly (readonly [name: string, value: string])[];
  /** In hex; "" where there is none. */
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: number;
}

export interface ReadExport {
  readonly resource: Readonly<Record<string, string>>;
  readonly scope: string;
  readonly records: readonly ReadRecord[];
}

const requestType = protobuf
  .parse(`
  syntax = "proto3";
  message ExportLogsServiceRequest { repeated ResourceLogs resource_logs = 1; }
  message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; string schema_url = 3; }
  message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }
  message ScopeLogs { Scope scope = 1; repeated LogRecord log_records = 2; string schema_url = 3; }
  message Scope { string name = 1; string version = 2; repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4; }
  message LogRecord {
    fixed64 time_unix_nano = 1; int32 severity_number = 2; string severity_text = 3; AnyValue body = 5;
    repeated KeyValue attributes = 6; uint32 dropped_attributes_count = 7; fixed32 flags = 8;
    bytes trace_id = 9; bytes span_id = 10; fixed64 observed_time_unix_nano = 11; string event_name = 12;
  }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message AnyValue {
    oneof value {
      string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
      ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7;
    }
  }
  message ArrayValue { repeated AnyValue values = 1; }
  message KeyValueList { repeated KeyValue values = 1; }
`)
  .root.lookupType('ExportLogsServiceRequest');

interface WireValue {
  readonly stringValue?: string;
}
interface WireAttribute {
  readonly key: string;
  readonly value: WireValue;
}
interface WireRecord {
  readonly timeUnixNano: string;
  readonly observedTimeUnixNano: string;
  readonly body?: WireValue;
  readonly attributes: readonly WireAttribute[];
  readonly traceId: Buffer;
  readonly spanId: Buffer;
  readonly flags: number;
}
interface WireRequest {
  readonly resourceLogs: readonly {
    readonly resource: { readonly attributes: readonly WireAttribute[] };
    readonly scopeLogs: readonly {
      readonly scope: { readonly name: string };
      readonly logRecords: readonly WireRecord[];
    }[];
  }[];
}

/** @throws Error with what is wrong */
export function readExportRequest(bytes: Uint8Array): ReadExport {
  const message = requestType.decode(bytes);
  if (!Buffer.from(requestType.encode(message).finish()).equals(bytes)) {
    throw new Error('the request holds what the schema does not have, or in another order');
  }
  const read = requestType.toObject(message, { longs: String, bytes: Buffer, defaults: true });
  const [resourceLogs, ...others] = (read as WireRequest).resourceLogs;
  const [scopeLogs, ...otherScopes] = resourceLogs?.scopeLogs ?? [];
  if (resourceLogs === undefined || scopeLogs === undefined || others.length + otherScopes.length > 0) {
    throw new Error('expected one resource with one scope');
  }
  return {
    resource: Object.fromEntries(attributesOf(resourceLogs.resource.attributes)),
    scope: scopeLogs.scope.name,
    records: scopeLogs.logRecords.map(readRecord),
  };
}

function readRecord(record: WireRecord): ReadRecord {
  return {
    timeUnixNano: BigInt(record.timeUnixNano),
    observedTimeUnixNano: BigInt(record.observedTimeUnixNano),
    body: textOf(record.body),
    attributes: attributesOf(record.attributes),
    traceId: record.traceId.toString('hex'),
    spanId: record.spanId.toString('hex'),
    flags: record.flags,
  };
}

function attributesOf(attributes: readonly WireAttribute[]): [string, string][] {
  return attributes.map(({ key, value }) => [key, textOf(value)]);
}

function textOf(value: WireValue | undefined): string {
  if (value?.stringValue === undefined) throw new Error('expected a text');
  return value.stringValue;
}
