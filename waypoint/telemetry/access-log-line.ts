// One line a request or TCP connection in Istio's default text format. In: facts. Out: the line, `-` for what does not exist; control
// characters and quotes of clients are escaped, so that a request cannot forge a line. Source: waypoint-telemetry.md §6.1.
import { formatSocketAddress } from '../../common/net/address.ts';
import { findHeader } from '../http/header-list.ts';
import type { Downstream } from '../served-target.ts';
import { clusterName } from './request-attributes.ts';
import type { RequestFacts, UpstreamFacts } from './request-facts.ts';
import { flagsText, type ResponseFlag } from './response-flags.ts';

export function requestLogLine(facts: RequestFacts): string {
  const { request, response, end, downstream } = facts;
  const header = (name: string): string => quoted(findHeader(request.headers, name));
  return [
    `[${new Date(facts.startEpochMs).toISOString()}]`,
    `"${escapeText(request.method)} ${escapeText(request.path)} ${request.protocol}"`,
    response?.status ?? 0,
    flagsText(facts.flags),
    facts.details || '-',
    '-',
    '"-"',
    end.receivedBodyBytes,
    end.sentBodyBytes,
    Math.round(facts.durationMs),
    response === undefined ? '-' : (findHeader(response.headers, 'x-envoy-upstream-service-time') ?? '-'),
    header('x-forwarded-for'),
    header('user-agent'),
    header('x-request-id'),
    quoted(request.authority),
    ...addresses(downstream, facts.upstream),
    'default',
  ].join(' ');
}

export interface TcpFacts {
  readonly downstream: Downstream;
  readonly upstream: UpstreamFacts | undefined;
  readonly flags: readonly ResponseFlag[];
  readonly startEpochMs: number;
  readonly durationMs: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

export function tcpLogLine(facts: TcpFacts): string {
  return [
    `[${new Date(facts.startEpochMs).toISOString()}]`,
    '"- - -"',
    0,
    flagsText(facts.flags),
    '-',
    '-',
    '"-"',
    facts.receivedBytes,
    facts.sentBytes,
    Math.round(facts.durationMs),
    '-',
    '"-" "-" "-" "-"',
    ...addresses(facts.downstream, facts.upstream),
    '-',
  ].join(' ');
}

/** From UPSTREAM_HOST to REQUESTED_SERVER_NAME. */
function addresses(downstream: Downstream, upstream: UpstreamFacts | undefined): string[] {
  return [
    quoted(upstream && formatSocketAddress(upstream.address)),
    clusterName(downstream.target),
    '-',
    formatSocketAddress(downstream.target.address),
    formatSocketAddress(downstream.address),
    '-',
  ];
}

function quoted(text: string | undefined): string {
  return text === undefined || text === '' ? '"-"' : `"${escapeText(text)}"`;
}

function escapeText(text: string): string {
  return text.replace(/["\\]|[^\x20-\x7e]/g, (character) => {
    return character === '"' || character === '\\'
      ? `\\${character}`
      : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
