// The trace that a request belongs to, as its headers say: W3C `traceparent`, else B3 in one header or in several. In: headers. Out: ids in lower
// case hex and whether it is sampled. Source: waypoint-telemetry.md §6.2.
import { findHeader, type HeaderList } from '../http/header-list.ts';

export interface RequestTrace {
  /** 32 digits, or 16. */
  readonly traceId: string;
  /** 16 digits. */
  readonly spanId: string;
  readonly isSampled: boolean;
}

const traceparent = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/;
const b3Single = /^([0-9a-f]{16}|[0-9a-f]{32})-([0-9a-f]{16})(?:-([01d]))?/;

export function traceOf(headers: HeaderList): RequestTrace | undefined {
  const [, traceId, spanId, flags] = traceparent.exec(findHeader(headers, 'traceparent') ?? '') ?? [];
  if (traceId !== undefined && spanId !== undefined && flags !== undefined) {
    return known(traceId, spanId, (Number.parseInt(flags, 16) & 1) === 1);
  }
  const [, b3TraceId, b3SpanId, b3Sampled] = b3Single.exec(findHeader(headers, 'b3') ?? '') ?? [];
  if (b3TraceId !== undefined && b3SpanId !== undefined)
    return known(b3TraceId, b3SpanId, /[1d]/.test(b3Sampled ?? ''));
  const [x, y] = [findHeader(headers, 'x-b3-traceid'), findHeader(headers, 'x-b3-spanid')];
  if (x === undefined || y === undefined || !b3Single.test(`${x}-${y}`)) return undefined;
  return known(x, y, findHeader(headers, 'x-b3-sampled') === '1' || findHeader(headers, 'x-b3-flags') === '1');
}

/** Zeros mean that there is none. */
function known(traceId: string, spanId: string, isSampled: boolean): RequestTrace | undefined {
  return /^0+$/.test(traceId) || /^0+$/.test(spanId) ? undefined : { traceId, spanId, isSampled };
}
