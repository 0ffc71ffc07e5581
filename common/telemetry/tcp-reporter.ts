// Reports application connections as istio_tcp_*: `opened` at once, bytes every interval while the connection lives,
// the rest and `closed` at its end, each exactly once. A connection's bytes go to plain numbers in between.
import { addOnce, type MetricDefinition, type Recorder, type Series } from './recorder.ts';
import type { TcpLabelSet } from './tcp-labels.ts';

/** One connection's report. */
export interface TcpReport {
  /** Bytes from downstream to upstream (the request direction). */
  received(bytes: number): void;
  /** Bytes from upstream to downstream (the response direction). */
  sent(bytes: number): void;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** @param responseFlag `-`, or why the connection failed. Later calls do nothing. */
  close(responseFlag: string): void;
}

export interface TcpReporter {
  /** @param through default: the reporter's recorder */
  open(labels: TcpLabelSet, through?: Recorder): TcpReport;
  /** Ends the periodic reports; open connections still report at their end. */
  close(): void;
}

export interface TcpReporterOptions {
  readonly recorder: Recorder;
  /** Between two reports of a living connection; 0 reports at the end only. */
  readonly intervalMs: number;
  /** Milliseconds that only grow. Default: the process' monotonic clock. */
  readonly now?: () => number;
  /** `failed_total` is ztunnel's; a waypoint does not have it. */
  readonly countsFailures: boolean;
}

const helps = {
  opened: 'The total number of TCP connections opened',
  closed: 'The total number of TCP connections closed',
  failed: 'The total number of TCP connections that ended with a response flag (unstable)',
  received: 'The total number of bytes received from the downstream in TCP connections',
  sent: 'The total number of bytes sent to the downstream in TCP connections',
} as const;

export const tcpMetricNames = {
  opened: 'istio_tcp_connections_opened_total',
  closed: 'istio_tcp_connections_closed_total',
  failed: 'istio_tcp_connections_failed_total',
  received: 'istio_tcp_received_bytes_total',
  sent: 'istio_tcp_sent_bytes_total',
} as const;

type Counters = Readonly<Record<keyof typeof tcpMetricNames, MetricDefinition>>;

/** There are few lists of names. */
const definitions = new WeakMap<readonly string[], Counters>();

/** The definitions for series with these labels. */
export function tcpCounters(labelNames: readonly string[]): Counters {
  const known = definitions.get(labelNames);
  if (known !== undefined) return known;
  const counter = (of: keyof typeof tcpMetricNames): MetricDefinition => {
    return { name: tcpMetricNames[of], help: helps[of], kind: 'counter', labelNames };
  };
  const made: Counters = {
    opened: counter('opened'),
    closed: counter('closed'),
    failed: counter('failed'),
    received: counter('received'),
    sent: counter('sent'),
  };
  definitions.set(labelNames, made);
  return made;
}

export function createTcpReporter(options: TcpReporterOptions): TcpReporter {
  const { recorder, intervalMs, countsFailures } = options;
  const now = options.now ?? (() => performance.now());
  /** In the order in which they are due: every connection waits the same time. */
  const living = new Set<LivingReport>();
  const tickMs = Math.min(intervalMs, 1_000);
  const timer = intervalMs > 0 ? setInterval(reportDue, tickMs).unref() : undefined;

  function reportDue(): void {
    const time = now();
    for (const report of living) {
      if (report.dueMs > time) return;
      living.delete(report);
      report.flush();
      report.dueMs = time + intervalMs;
      living.add(report);
    }
  }

  return {
    open(labels, through = recorder) {
      const report = new LivingReport(through, labels, now() + intervalMs, countsFailures, () => living.delete(report));
      if (intervalMs > 0) living.add(report);
      return report;
    },
    close: () => clearInterval(timer),
  };
}

class LivingReport implements TcpReport {
  receivedBytes = 0;
  sentBytes = 0;
  dueMs: number;
  readonly #recorder: Recorder;
  readonly #labels: TcpLabelSet;
  readonly #countsFailures: boolean;
  readonly #onClose: () => void;
  readonly #received: Series;
  readonly #sent: Series;
  #reportedReceived = 0;
  #reportedSent = 0;
  #state: 'open' | 'closed' = 'open';

  constructor(recorder: Recorder, labels: TcpLabelSet, dueMs: number, countsFailures: boolean, onClose: () => void) {
    this.#recorder = recorder;
    this.#labels = labels;
    this.#countsFailures = countsFailures;
    this.#onClose = onClose;
    this.dueMs = dueMs;
    const values = labels.valuesFor('-');
    const { opened, received, sent } = tcpCounters(labels.names);
    addOnce(recorder.counter(opened, values), 1);
    this.#received = recorder.counter(received, values);
    this.#sent = recorder.counter(sent, values);
  }

  received(bytes: number): void {
    this.receivedBytes += bytes;
  }

  sent(bytes: number): void {
    this.sentBytes += bytes;
  }

  flush(): void {
    this.#received.add(this.receivedBytes - this.#reportedReceived);
    this.#sent.add(this.sentBytes - this.#reportedSent);
    this.#reportedReceived = this.receivedBytes;
    this.#reportedSent = this.sentBytes;
  }

  close(responseFlag: string): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.flush();
    this.#onClose();
    const values = this.#labels.valuesFor(responseFlag);
    const { closed, failed } = tcpCounters(this.#labels.names);
    addOnce(this.#recorder.counter(closed, values), 1);
    if (this.#countsFailures && responseFlag !== '-') addOnce(this.#recorder.counter(failed, values), 1);
    this.#received.release();
    this.#sent.release();
  }
}
