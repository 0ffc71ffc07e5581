// Tells the outside about connections: metrics and access log, each exactly once a connection, whatever ends it.
// In: facts when a connection is routed or admitted, and its end. Out: series of the reporter, lines of scope `access`.
import { MeshError } from '../../common/errors.ts';
import type { LineLog } from '../../common/line-log.ts';
import type { ByteCount } from '../../common/net/copy-streams.ts';
import type { FailureJournal } from '../../common/telemetry/failure-journal.ts';
import { ztunnelTcpLabels } from '../../common/telemetry/tcp-labels.ts';
import type { TcpReporter } from '../../common/telemetry/tcp-reporter.ts';
import { type EarlyDenial, writeCompleted, writeDenied, writeOpened } from './access-log.ts';
import { type ConnectionFacts, tcpFactsOf } from './connection-facts.ts';

export interface ConnectionEntry {
  readonly count: ByteCount;
  /** Later calls do nothing. */
  close(error: Error | undefined): void;
}

export interface ConnectionJournal {
  /** Counts the connection as opened. */
  open(facts: ConnectionFacts): ConnectionEntry;
  /** Refused before it counted as a connection: a line in the log, and none of Istio's metrics. */
  deny(denial: EarlyDenial): void;
}

/** Whoever else reports a connection, beside the standard metrics. */
export interface FurtherReporter {
  open(
    facts: ConnectionFacts,
    bytes: { readonly receivedBytes: number; readonly sentBytes: number },
  ): { close(): void } | undefined;
}

export interface ConnectionJournalOptions {
  readonly reporter: TcpReporter;
  readonly further?: FurtherReporter;
  readonly failures: FailureJournal;
  /** Of scope `access`. */
  readonly lines: LineLog;
  /** Milliseconds that only grow. */
  readonly now: () => number;
}

export function createConnectionJournal(options: ConnectionJournalOptions): ConnectionJournal {
  const { reporter, further, failures, lines, now } = options;
  return {
    open(facts) {
      const report = reporter.open(ztunnelTcpLabels(tcpFactsOf(facts)));
      const furtherReport = further?.open(facts, report);
      const openedAtMs = now();
      let state: 'open' | 'closed' = 'open';
      if (lines.isLevelEnabled('debug')) writeOpened(lines.begin('debug', 'connection opened'), facts);
      return {
        count: report,
        close(error) {
          if (state === 'closed') return;
          state = 'closed';
          report.close(responseFlagOf(error));
          furtherReport?.close();
          const { receivedBytes, sentBytes } = report;
          const durationMs = now() - openedAtMs;
          const level = error === undefined ? 'info' : 'error';
          if (error !== undefined && failures.count(facts.direction, error) === 'counted') return;
          if (!lines.isLevelEnabled(level)) return;
          const outcome = { receivedBytes, sentBytes, durationMs, error };
          writeCompleted(lines.begin(level, 'connection complete'), facts, outcome);
        },
      };
    },
    deny(denial) {
      if (failures.count(denial.direction, denial.error) === 'counted') return;
      if (lines.isLevelEnabled('warn')) writeDenied(lines.begin('warn', 'connection failed'), denial);
    },
  };
}

function responseFlagOf(error: Error | undefined): string {
  if (error === undefined) return '-';
  return error instanceof MeshError ? error.onTheWire.responseFlag : 'CONNECT';
}
