// The line of a stream that is refused, and of a connection or request that fails, in the log of scope `access`: whether or not the resources
// ask for an access log, each has exactly one, with its code. In: what is known of it. Out: fields named as in ztunnel's lines (ztunnel.md §11).
import { codeOf } from '../../common/errors.ts';
import type { Identity } from '../../common/identity/identity.ts';
import type { LineLog, LogLine } from '../../common/line-log.ts';
import { formatSocketAddress, type SocketAddress } from '../../common/net/address.ts';
import type { FailureJournal } from '../../common/telemetry/failure-journal.ts';
import type { TcpFacts } from './log-facts.ts';
import type { RequestFacts } from './request-facts.ts';

/** What came to no stream that this waypoint serves. */
export interface Refusal {
  readonly source: SocketAddress;
  readonly identity: Identity | undefined;
  /** Where it was accepted. */
  readonly local: SocketAddress;
  /** Of the CONNECT; undefined where none came. */
  readonly authority: string | undefined;
  readonly error: Error;
}

export interface FailureLines {
  refused(refusal: Refusal): void;
  /** Does nothing where it did not fail. */
  connectionEnded(facts: TcpFacts): void;
  requestEnded(facts: RequestFacts): void;
}

/** As much of what a client sent as a line may show. */
const longestShown = 300;

/** @param lines of scope `access` */
export function createFailureLines(failures: FailureJournal, lines: LineLog): FailureLines {
  const tell = (error: Error, message: string, write: (line: LogLine) => void): void => {
    if (failures.count('waypoint', error) === 'counted') return;
    if (lines.isLevelEnabled('warn')) write(lines.begin('warn', message));
  };
  return {
    refused: (refusal) => tell(refusal.error, 'connection failed', (line) => writeRefusal(line, refusal)),
    connectionEnded(facts) {
      const { failure } = facts;
      if (failure === undefined) return;
      tell(failure, 'connection failed', (line) => writeConnectionFailure(line, facts, failure));
    },
    requestEnded(facts) {
      const { failure } = facts;
      if (failure === undefined) return;
      tell(failure, 'request failed', (line) => writeRequestFailure(line, facts, failure));
    },
  };
}

function writeRefusal(line: LogLine, { source, identity, local, authority, error }: Refusal): void {
  line.address('src.addr', formatSocketAddress(source));
  line.text('src.identity', identity?.uri);
  line.address('dst.addr', formatSocketAddress(local));
  line.address('dst.hbone_addr', authority?.slice(0, longestShown));
  writeEnd(line, error);
}

function writeConnectionFailure(line: LogLine, facts: TcpFacts, error: Error): void {
  writeEnds(line, facts);
  line.number('bytes_sent', facts.sentBytes);
  line.number('bytes_recv', facts.receivedBytes);
  line.text('duration', `${Math.trunc(facts.durationMs)}ms`);
  writeEnd(line, error);
}

function writeRequestFailure(line: LogLine, facts: RequestFacts, error: Error): void {
  const { method, path } = facts.request;
  writeEnds(line, facts);
  line.text('request', `${method} ${path}`.slice(0, longestShown));
  line.number('response_code', facts.response?.status ?? 0);
  line.text('duration', `${Math.trunc(facts.durationMs)}ms`);
  writeEnd(line, error);
}

function writeEnds(line: LogLine, { downstream, upstream }: Pick<TcpFacts, 'downstream' | 'upstream'>): void {
  const { address, workload, identity, target } = downstream;
  line.address('src.addr', formatSocketAddress(address));
  line.text('src.workload', workload?.name || workload?.workloadName || undefined);
  line.text('src.namespace', workload?.namespace);
  line.text('src.identity', identity?.uri);
  line.address('dst.addr', formatSocketAddress(upstream?.address ?? target.address));
  if (target.kind === 'service') line.text('dst.service', target.service.hostname);
  line.text('dst.workload', upstream?.workload.name);
  line.text('dst.namespace', upstream?.workload.namespace);
}

function writeEnd(line: LogLine, error: Error): void {
  line.text('error', error.message);
  line.text('code', codeOf(error));
  line.end();
}
