// Tells the outside about connections: metrics and access log, each exactly once a connection, whatever ends it.
// In: facts when a connection is routed or admitted, and its end. Out: series of the reporter, lines of scope `access`.
import { MeshError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { ByteCount } from '../../common/net/copy-streams.ts';
import { ztunnelTcpLabels } from '../../common/telemetry/tcp-labels.ts';
import type { TcpReporter } from '../../common/telemetry/tcp-reporter.ts';
import { completedFields, deniedFields, type EarlyDenial, openedFields } from './access-log.ts';
import { type ConnectionFacts, tcpFactsOf } from './connection-facts.ts';

export interface ConnectionEntry {
  readonly count: ByteCount;
  /** Later calls do nothing. */
  close(error: Error | undefined): void;
}

export interface ConnectionJournal {
  /** Counts the connection as opened. */
  open(facts: ConnectionFacts): ConnectionEntry;
  /** Refused before it counted: a line in the log, no metric. */
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
  /** Of scope `access`. */
  readonly log: Logger;
  /** Milliseconds that only grow. */
  readonly now: () => number;
}

export function createConnectionJournal({ reporter, further, log, now }: ConnectionJournalOptions): ConnectionJournal {
  return {
    open(facts) {
      const report = reporter.open(ztunnelTcpLabels(tcpFactsOf(facts)));
      const furtherReport = further?.open(facts, report);
      const openedAtMs = now();
      let state: 'open' | 'closed' = 'open';
      if (log.isLevelEnabled('debug')) log.debug(openedFields(facts), 'connection opened');
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
          if (!log.isLevelEnabled(level)) return;
          log[level](completedFields(facts, { receivedBytes, sentBytes, durationMs, error }), 'connection complete');
        },
      };
    },
    deny: (denial) => log.warn(deniedFields(denial), 'connection failed'),
  };
}

function responseFlagOf(error: Error | undefined): string {
  if (error === undefined) return '-';
  return error instanceof MeshError ? error.onTheWire.responseFlag : 'CONNECT';
}
