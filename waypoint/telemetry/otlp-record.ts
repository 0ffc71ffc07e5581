// One access log line as an OTLP record: the text format is its body, labels are its attributes, its time is the start of what it tells of; a trace
// that the request carries is named. In: facts and the provider. Out: bytes. Source: waypoint-telemetry.md §6.1, §6.2.
import { encodeLogRecord, type OtlpTrace } from '../../common/telemetry/otlp/otlp-codec.ts';
import type { AccessLog } from '../resources/logging-configuration.ts';
import type { LogFacts } from './log-facts.ts';
import { traceOf } from './trace-of-request.ts';

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
    trace: otlpTraceOf(facts),
  });
}

function otlpTraceOf({ request }: LogFacts): OtlpTrace | undefined {
  const trace = request && traceOf(request.request.headers);
  if (trace === undefined) return undefined;
  const traceId = Buffer.from(trace.traceId.padStart(32, '0'), 'hex');
  return { traceId, spanId: Buffer.from(trace.spanId, 'hex'), flags: trace.isSampled ? 1 : 0 };
}
