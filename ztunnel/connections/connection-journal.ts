// Tells the outside about connections: metrics and access log, each exactly once a connection, whatever ends it.
// In: facts when a connection is routed or admitted, and its end. Out: series of the reporter, lines of scope `access`.
import { MeshError } from '../../common/errors.ts';
import type { LineLog } from '../../common/line-log.ts';
import type { ByteCount } from '../../common/net/copy-streams.ts';
import type { FailureJournal } from '../../common/telemetry/failure-journal.ts';
import { ztunnelTcpLabels } from '../../common/telemetry/tcp-labels.ts';
import type { TcpReport, TcpReporter } from '../../common/telemetry/tcp-reporter.ts';
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
  const { reporter, further, failures, lines } = options;
  return {
    open(facts) {
      const report = reporter.open(ztunnelTcpLabels(tcpFactsOf(facts)));
      const furtherReport = further?.open(facts, report);
      if (lines.isLevelEnabled('debug')) writeOpened(lines.begin('debug', 'connection opened'), facts);
      return new OpenEntry(options, facts, report, furtherReport);
    },
    deny(denial) {
      if (failures.count(denial.direction, denial.error) === 'counted') return;
      if (lines.isLevelEnabled('warn')) writeDenied(lines.begin('warn', 'connection failed'), denial);
    },
  };
}

class OpenEntry implements ConnectionEntry {
  readonly count: TcpReport;
  readonly #options: ConnectionJournalOptions;
  readonly #facts: ConnectionFacts;
  readonly #further: { close(): void } | undefined;
  readonly #openedAtMs: number;
  #state: 'open' | 'closed' = 'open';

  constructor(
    options: ConnectionJournalOptions,
    facts: ConnectionFacts,
    report: TcpReport,
    further: { close(): void } | undefined,
  ) {
    this.#options = options;
    this.#facts = facts;
    this.count = report;
    this.#further = further;
    this.#openedAtMs = options.now();
  }

  close(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    const { failures, lines, now } = this.#options;
    this.count.close(responseFlagOf(error));
    this.#further?.close();
    const level = error === undefined ? 'info' : 'error';
    if (error !== undefined && failures.count(this.#facts.direction, error) === 'counted') return;
    if (!lines.isLevelEnabled(level)) return;
    const { receivedBytes, sentBytes } = this.count;
    const durationMs = now() - this.#openedAtMs;
    const outcome = { receivedBytes, sentBytes, durationMs, error };
    writeCompleted(lines.begin(level, 'connection complete'), this.#facts, outcome);
  }
}

function responseFlagOf(error: Error | undefined): string {
  if (error === undefined) return '-';
  return error instanceof MeshError ? error.onTheWire.responseFlag : 'CONNECT';
}
