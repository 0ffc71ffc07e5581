// Command operators for how much and how long: bytes on both sides, durations, moments. Source: Envoy's substitution_formatter.rst.
import { headerBytes } from '../http/header-list.ts';
import type { LogFacts } from './log-facts.ts';
import { absent, type LogOperator, type OperatorTable, optional, plain, required, zero } from './log-operator.ts';
import { formatStartTime } from './log-start-time.ts';

const requestHead: LogOperator = ({ request }) => request?.request.headBytes ?? 0;
const responseHead: LogOperator = ({ request }) => (request?.response ? headerBytes(request.response.headers) : 0);
const forwardedHead: LogOperator = ({ request, upstream }) =>
  request && upstream ? headerBytes(request.request.headers) : 0;
const answeredHead: LogOperator = (facts) => (facts.request?.upstreamMs === undefined ? 0 : responseHead(facts));
const rounded = (value: number | undefined): number | undefined =>
  value === undefined ? undefined : Math.round(value);

/** Milliseconds after the start; what is not measured is absent. */
const points: Readonly<Record<string, (facts: LogFacts) => number | undefined>> = {
  DS_RX_BEG: ({ request }) => request && 0,
  US_RX_BEG: ({ request }) => request?.upstreamMs,
  DS_TX_BEG: ({ request }) => request?.upstreamMs,
  DS_TX_END: ({ request, durationMs }) => request && durationMs,
  DS_CX_BEG: ({ request }) => (request === undefined ? 0 : undefined),
  DS_CX_END: ({ request, durationMs }) => (request === undefined ? durationMs : undefined),
};
const perMillisecond: Readonly<Record<string, number>> = { ms: 1, us: 1_000, ns: 1_000_000 };

function commonDuration(argument: string): LogOperator | string {
  const [start = '', end = '', precision = '', ...others] = argument.split(':');
  const factor = perMillisecond[precision];
  if (factor === undefined || others.length > 0) return 'takes START:END:PRECISION, the last one of ms, us, ns';
  return (facts) => {
    const [from, to] = [points[start]?.(facts), points[end]?.(facts)];
    return from === undefined || to === undefined ? undefined : Math.round((to - from) * factor);
  };
}

const emittedMs = ({ startEpochMs, durationMs }: LogFacts): number => startEpochMs + durationMs;

export const measureOperators: OperatorTable = {
  START_TIME: optional(
    (format) =>
      ({ startEpochMs }) =>
        formatStartTime(startEpochMs, format),
  ),
  START_TIME_LOCAL: optional(
    (format) =>
      ({ startEpochMs }) =>
        formatStartTime(startEpochMs, format, 'local'),
  ),
  EMIT_TIME: optional((format) => (facts) => formatStartTime(emittedMs(facts), format)),
  EMIT_TIME_LOCAL: optional((format) => (facts) => formatStartTime(emittedMs(facts), format, 'local')),
  DURATION: plain(({ durationMs }) => Math.round(durationMs)),
  COMMON_DURATION: required(commonDuration),
  RESPONSE_DURATION: plain(({ request }) => rounded(request?.upstreamMs)),
  RESPONSE_TX_DURATION: plain(({ request, durationMs }) =>
    request?.upstreamMs === undefined ? undefined : Math.round(durationMs - request.upstreamMs),
  ),
  REQUEST_DURATION: absent,
  REQUEST_TX_DURATION: absent,
  ROUNDTRIP_DURATION: absent,
  DOWNSTREAM_HANDSHAKE_DURATION: absent,
  UPSTREAM_CONNECTION_POOL_READY_DURATION: absent,
  BYTES_RECEIVED: plain(({ receivedBytes }) => receivedBytes),
  BYTES_SENT: plain(({ sentBytes }) => sentBytes),
  BYTES_RETRANSMITTED: zero,
  PACKETS_RETRANSMITTED: zero,
  REQUEST_HEADERS_BYTES: plain(requestHead),
  RESPONSE_HEADERS_BYTES: plain(responseHead),
  RESPONSE_TRAILERS_BYTES: plain(({ request }) => (request ? headerBytes(request.responseTrailers) : 0)),
  DOWNSTREAM_WIRE_BYTES_RECEIVED: plain(({ request, receivedBytes }) => request?.end.receivedBytes ?? receivedBytes),
  DOWNSTREAM_WIRE_BYTES_SENT: plain(({ request, sentBytes }) => request?.end.sentBytes ?? sentBytes),
  DOWNSTREAM_HEADER_BYTES_RECEIVED: plain(requestHead),
  DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED: plain(requestHead),
  DOWNSTREAM_HEADER_BYTES_SENT: plain(responseHead),
  DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT: plain(responseHead),
  // What HTTP sends upstream is not measured; what passes unread is the same on both sides.
  UPSTREAM_WIRE_BYTES_SENT: plain(({ request, receivedBytes }) => (request ? undefined : receivedBytes)),
  UPSTREAM_WIRE_BYTES_RECEIVED: plain(({ request, sentBytes }) => (request ? undefined : sentBytes)),
  UPSTREAM_HEADER_BYTES_SENT: plain(forwardedHead),
  UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT: plain(forwardedHead),
  UPSTREAM_HEADER_BYTES_RECEIVED: plain(answeredHead),
  UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED: plain(answeredHead),
};
