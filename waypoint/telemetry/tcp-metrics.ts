// Reports connections that pass a waypoint unread as istio_tcp_*, reporter=waypoint, with the labels that Telemetry asks for.
// In: both ends and the chain's plan. Out: a report that counts bytes. Source: waypoint-telemetry.md §1.3, §1.13.

import type { MetricDefinition, Recorder, Series } from '../../common/telemetry/recorder.ts';
import type { TcpLabelSet } from '../../common/telemetry/tcp-labels.ts';
import { createTcpReporter, type TcpReport, type TcpReporter } from '../../common/telemetry/tcp-reporter.ts';
import { metricShortNames } from '../resources/metrics-configuration.ts';
import type { ChainTelemetry } from './chain-telemetry.ts';
import { pickValues } from './label-plan.ts';
import type { TcpFacts } from './log-facts.ts';
import { connectionAttributes } from './request-attributes.ts';
import { flagsText } from './response-flags.ts';
import { commonLabelValues, securityOf, tcpLabelNames } from './waypoint-labels.ts';

export interface TcpMetrics {
  /** Its labels are those of now, to its end. */
  open(connection: OpenedConnection, chain: ChainTelemetry): TcpReport;
  close(): void;
}

/** Flags: why it was not connected. */
export type OpenedConnection = Pick<TcpFacts, 'downstream' | 'upstream' | 'flags'>;

const noFilterState: ReadonlyMap<string, string> = new Map();
const ignored: Series = { add: () => undefined, release: () => undefined };

export function createTcpMetrics(recorder: Recorder, defaultIntervalMs: number): TcpMetrics {
  /** By interval. */
  const reporters = new Map<number, TcpReporter>();
  /** A report knows one list of labels; the recorder beneath it gives each metric its own. */
  const recorders = new WeakMap<ChainTelemetry, Recorder>();

  function reporterFor(intervalMs: number): TcpReporter {
    let reporter = reporters.get(intervalMs);
    if (reporter === undefined) {
      reporter = createTcpReporter({ recorder, intervalMs, countsFailures: false });
      reporters.set(intervalMs, reporter);
    }
    return reporter;
  }

  function recorderOf(chain: ChainTelemetry): Recorder {
    const through = recorders.get(chain) ?? planned(recorder, chain);
    recorders.set(chain, through);
    return through;
  }

  return {
    open(connection, chain) {
      const reporter = reporterFor(chain.reportingIntervalMs ?? defaultIntervalMs);
      return reporter.open(labelsOf(connection, chain), recorderOf(chain));
    },
    close() {
      for (const reporter of reporters.values()) reporter.close();
      reporters.clear();
    },
  };
}

function labelsOf({ downstream, upstream, flags }: OpenedConnection, chain: ChainTelemetry): TcpLabelSet {
  const { expressions } = chain.tcp;
  const attributes = connectionAttributes(downstream, noFilterState, () => upstream);
  const values = [
    ...commonLabelValues(downstream, upstream),
    'tcp',
    flagsText(flags),
    securityOf(downstream),
    ...expressions.evaluate(attributes),
  ];
  // As in Istio: failures later on open no new series.
  return { names: tcpLabelNames, valuesFor: () => values };
}

function planned(recorder: Recorder, chain: ChainTelemetry): Recorder {
  const planOf = (metric: MetricDefinition) => {
    const short = metricShortNames.find((name) => metric.name === `istio_${name}`);
    return short && chain.tcp.plans.get(short);
  };
  return {
    counter(metric, vector) {
      const plan = planOf(metric);
      if (plan === undefined) return ignored;
      return recorder.counter({ ...metric, labelNames: plan.names }, pickValues(plan, vector));
    },
    gauge: (metric, vector) => recorder.gauge(metric, vector),
    histogram: (metric, vector) => recorder.histogram(metric, vector),
  };
}
