// The process behind the metrics: open files, memory, processor time, event loop delay, garbage collection, as prom-client's
// default metrics read them. Made once a process. Out: families read at each scrape.
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { ReadFamily } from './exposition.ts';

/** Delays shorter than this are not looked for: each look wakes the process. */
const eventLoopResolutionMs = 20;

const kinds = ['counter', 'gauge', 'histogram'] as const;

export function readRuntimeMetrics(): () => Promise<readonly ReadFamily[]> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: eventLoopResolutionMs });
  return async () => {
    const metrics = await registry.getMetricsAsJSON();
    return metrics.flatMap(({ name, help, type, values }) => {
      const kind = kinds.find((candidate) => candidate === String(type));
      const text = `${help.replace(/\.$/, '')} (unstable)`;
      // Prometheus reserves the ending for counters; these count live handles.
      if (kind === undefined || (kind === 'gauge' && name.endsWith('_total'))) return [];
      return [{ name, help: text, kind, values: values as ReadFamily['values'] }];
    });
  };
}
