// One line of the access log: what is known of a connection and how it ended in, the line's fields in ztunnel's order out
// (ztunnel.md §11). What is not known is left out. `code` is ours: the permanent code behind the error's text.
import { MeshError } from '../../common/errors.ts';
import { formatSocketAddress, type SocketAddress } from '../../common/net/address.ts';
import { type ConnectionEnd, type ConnectionFacts, labelsOf } from './connection-facts.ts';

export type AccessLogFields = Readonly<Record<string, string | number>>;

export interface ConnectionOutcome {
  /** From downstream to upstream. */
  readonly receivedBytes: number;
  /** From upstream to downstream. */
  readonly sentBytes: number;
  readonly durationMs: number;
  readonly error: Error | undefined;
}

/** A connection that was refused before anything was counted. */
export interface EarlyDenial {
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  readonly direction: ConnectionFacts['direction'];
  readonly error: Error;
}

export function openedFields(facts: ConnectionFacts): AccessLogFields {
  const { source, destination } = facts;
  return withoutUnknown([
    ['src.addr', formatSocketAddress(source.address)],
    ...endFields('src', source),
    ['dst.addr', formatSocketAddress(destination.address)],
    ['dst.hbone_addr', facts.hboneAuthority],
    ['dst.service', facts.service?.hostname],
    ...endFields('dst', destination),
    ['direction', facts.direction],
  ]);
}

/** Sent and received are this side's view: a source sends requests, a destination sends responses. */
export function completedFields(facts: ConnectionFacts, outcome: ConnectionOutcome): AccessLogFields {
  const { receivedBytes, sentBytes } = outcome;
  const [sent, received] = facts.direction === 'outbound' ? [receivedBytes, sentBytes] : [sentBytes, receivedBytes];
  return {
    ...openedFields(facts),
    bytes_sent: sent,
    bytes_recv: received,
    duration: `${Math.trunc(outcome.durationMs)}ms`,
    ...errorFields(outcome.error),
  };
}

export function deniedFields({ source, destination, direction, error }: EarlyDenial): AccessLogFields {
  return {
    'src.addr': formatSocketAddress(source),
    'dst.addr': formatSocketAddress(destination),
    direction,
    ...errorFields(error),
  };
}

function endFields(side: 'src' | 'dst', end: ConnectionEnd): readonly Field[] {
  const labels = labelsOf(end);
  return [
    [`${side}.workload`, end.workload?.name || labels?.canonicalName],
    [`${side}.namespace`, labels?.namespace],
    [`${side}.identity`, end.identity?.uri],
    [`${side}.cluster`, labels?.cluster],
  ];
}

function errorFields(error: Error | undefined): AccessLogFields {
  if (error === undefined) return {};
  return { error: error.message, ...(error instanceof MeshError ? { code: error.code } : {}) };
}

type Field = readonly [name: string, value: string | undefined];

function withoutUnknown(fields: readonly Field[]): AccessLogFields {
  return Object.fromEntries(fields.flatMap(([name, value]) => (value ? [[name, value] as const] : [])));
}
