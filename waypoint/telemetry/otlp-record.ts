// One access log line as an OTLP record: the text format is its body, labels are its attributes, its time is the start of what it tells of; a trace
// that the request carries (W3C `traceparent`) is named. In: facts and the provider. Out: bytes. Source: waypoint-telemetry.md §6.1, §6.2.
import { encodeLogRecord, type OtlpTrace } from '../../common/telemetry/otlp/otlp-codec.ts';
import { findHeader } from '../http/header-list.ts';
import type { AccessLog } from '../resources/logging-configuration.ts';
import type { LogFacts } from './log-facts.ts';

const traceparent = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/;

/** @param nowEpochMs when it is written */
export function encodeOtlpLog(
  facts: LogFacts,
  { body, attributes }: Pick<Extract<AccessLog, { kind: 'otlp' }>, 'body' | 'attributes'>,
  nowEpochMs: number,
): Uint8Array {
  return encodeLogRecord({
    timeMs: facts.startEpochMs,
    observedMs: nowEpochMs,
    body: body(facts),
    attributes: attributes.map(([name, write]) => [name, write(facts)]),
    trace: traceOf(facts),
  });
}

function traceOf({ request }: LogFacts): OtlpTrace | undefined {
  const header = request && findHeader(request.request.headers, 'traceparent');
  const [, traceId, spanId, flags] = traceparent.exec(header ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const isNone = /^0+$/.test(traceId) || /^0+$/.test(spanId);
  if (isNone) return undefined;
  return {
    traceId: Buffer.from(traceId, 'hex'),
    spanId: Buffer.from(spanId, 'hex'),
    flags: Number.parseInt(flags, 16),
  };
}
