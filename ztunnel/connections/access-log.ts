// One line of the access log: what is known of a connection and how it ended in, the line's fields in ztunnel's order out
// (ztunnel.md §11). What is not known is left out. `code` is ours: the permanent code behind the error's text.
import { codeOf } from '../../common/errors.ts';
import type { LogLine } from '../../common/line-log.ts';
import { formatSocketAddress, type SocketAddress } from '../../common/net/address.ts';
import { type ConnectionEnd, type ConnectionFacts, labelsOf } from './connection-facts.ts';
import { errorText } from './error-text.ts';

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

export function writeOpened(line: LogLine, facts: ConnectionFacts): void {
  writeFacts(line, facts);
  line.end();
}

/** Sent and received are this side's view: a source sends requests, a destination sends responses. */
export function writeCompleted(line: LogLine, facts: ConnectionFacts, outcome: ConnectionOutcome): void {
  const { receivedBytes, sentBytes, error } = outcome;
  const isSource = facts.direction === 'outbound';
  writeFacts(line, facts);
  line.number('bytes_sent', isSource ? receivedBytes : sentBytes);
  line.number('bytes_recv', isSource ? sentBytes : receivedBytes);
  line.text('duration', `${Math.trunc(outcome.durationMs)}ms`);
  if (error !== undefined) writeError(line, error, facts.direction);
  line.end();
}

export function writeDenied(line: LogLine, { source, destination, direction, error }: EarlyDenial): void {
  line.address('src.addr', formatSocketAddress(source));
  line.address('dst.addr', formatSocketAddress(destination));
  line.text('direction', direction);
  writeError(line, error, direction);
  line.end();
}

function writeFacts(line: LogLine, facts: ConnectionFacts): void {
  const { source, destination } = facts;
  line.address('src.addr', formatSocketAddress(source.address));
  writeEnd(line, sourceNames, source);
  line.address('dst.addr', formatSocketAddress(destination.address));
  line.address('dst.hbone_addr', facts.hboneAuthority || undefined);
  line.text('dst.service', facts.service?.hostname || undefined);
  writeEnd(line, destinationNames, destination);
  line.text('direction', facts.direction);
}

const namesOf = (side: 'src' | 'dst') => ({
  workload: `${side}.workload`,
  namespace: `${side}.namespace`,
  identity: `${side}.identity`,
  cluster: `${side}.cluster`,
});
const sourceNames = namesOf('src');
const destinationNames = namesOf('dst');

function writeEnd(line: LogLine, names: typeof sourceNames, end: ConnectionEnd): void {
  const labels = labelsOf(end);
  line.text(names.workload, end.workload?.name || labels?.canonicalName || undefined);
  line.text(names.namespace, labels?.namespace || undefined);
  line.text(names.identity, end.identity?.uri);
  line.text(names.cluster, labels?.cluster || undefined);
}

function writeError(line: LogLine, error: Error, direction: ConnectionFacts['direction']): void {
  line.text('error', errorText(error, direction));
  line.text('code', codeOf(error));
}
