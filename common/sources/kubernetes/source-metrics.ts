// How the Kubernetes source is doing, as numbers: what it has heard, how often it had to begin anew, how long the API was out of
// reach, and how long a change takes from the socket into the mesh.
import type { MetricDefinition, Recorder } from '../../telemetry/recorder.ts';

const labelNames = ['kind'];

const events: MetricDefinition = {
  name: 'ambientd_kubernetes_changes_total',
  help: 'Objects that came, changed or went.',
  kind: 'counter',
  labelNames,
};
const lists: MetricDefinition = {
  name: 'ambientd_kubernetes_lists_total',
  help: 'Lists begun: the first, and each one after the place in history was lost.',
  kind: 'counter',
  labelNames,
};
const failures: MetricDefinition = {
  name: 'ambientd_kubernetes_failures_total',
  help: 'Requests to the Kubernetes API that failed or were refused.',
  kind: 'counter',
  labelNames,
};
const disconnected: MetricDefinition = {
  name: 'ambientd_kubernetes_disconnected',
  help: 'Whether the kind is out of reach now (1) and its last good state serves.',
  kind: 'gauge',
  labelNames,
};
const outage: MetricDefinition = {
  name: 'ambientd_kubernetes_outage_seconds_total',
  help: 'Time for which the kind was out of reach.',
  kind: 'counter',
  labelNames,
};
const lag: MetricDefinition = {
  name: 'ambientd_kubernetes_update_seconds',
  help: 'Time from the arrival of changes to the mesh that has them.',
  kind: 'histogram',
  labelNames: [],
  buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
};

export interface KindMetrics {
  changed(count: number): void;
  listed(): void;
  /** Tells a failure, and that the kind is out of reach from now on. */
  failed(atMs: number): void;
  reached(atMs: number): void;
}

export function createKindMetrics(recorder: Recorder, kind: string): KindMetrics {
  const count = {
    events: recorder.counter(events, [kind]),
    lists: recorder.counter(lists, [kind]),
    failures: recorder.counter(failures, [kind]),
    disconnected: recorder.gauge(disconnected, [kind]),
    outage: recorder.counter(outage, [kind]),
  };
  let countedUntilMs: number | undefined;
  const addOutage = (atMs: number): void => {
    if (countedUntilMs !== undefined) count.outage.add((atMs - countedUntilMs) / 1_000);
  };
  return {
    changed: (number) => count.events.add(number),
    listed: () => count.lists.add(1),
    failed(atMs) {
      count.failures.add(1);
      addOutage(atMs);
      if (countedUntilMs === undefined) count.disconnected.add(1);
      countedUntilMs = atMs;
    },
    reached(atMs) {
      addOutage(atMs);
      if (countedUntilMs !== undefined) count.disconnected.add(-1);
      countedUntilMs = undefined;
    },
  };
}

/** @returns to be told each lag, in milliseconds */
export function createLagMetric(recorder: Recorder): (lagMs: number) => void {
  const series = recorder.histogram(lag, []);
  return (lagMs) => series.observe(lagMs / 1_000);
}
