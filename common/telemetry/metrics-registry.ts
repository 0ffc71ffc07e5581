// What a daemon's /metrics answers: our series, merged into prom-client's registry and written by it.
// Prometheus text by default, OpenMetrics where the scraper asks for it (ztunnel.md §10). Empty metrics are left out.
import { type Metric, type OpenMetricsContentType, Registry } from 'prom-client';
import type { Recorder } from './recorder.ts';
import { type MetricFamily, SeriesTable } from './series-table.ts';

export interface Exposition {
  readonly contentType: string;
  readonly body: string;
}

export interface MetricsRegistry {
  readonly recorder: Recorder;
  /** @param accept the scrape request's Accept header */
  exposition(accept: string | undefined): Promise<Exposition>;
  /** Called before each scrape: for gauges that are read rather than counted. */
  onScrape(update: () => void): void;
}

export function createMetricsRegistry(): MetricsRegistry {
  const text = new Registry();
  const open = new Registry<OpenMetricsContentType>();
  open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const updates: (() => void)[] = [];
  const table = new SeriesTable((family) => {
    text.registerMetric(asPromClientMetric(family));
    open.registerMetric(asPromClientMetric(family));
  });
  return {
    recorder: table,
    onScrape: (update) => updates.push(update),
    async exposition(accept) {
      for (const update of updates) update();
      const registry = accept?.includes('application/openmetrics-text') ? open : text;
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}

/**
 * The part of prom-client's metric that its registry reads. Each registry gets its own: in OpenMetrics mode the
 * registry cuts `_total` from the name of the object it was given.
 */
function asPromClientMetric(family: MetricFamily): Metric {
  const { name, help, kind } = family.definition;
  const metric = {
    type: kind,
    name,
    get: async () => ({
      name: metric.name,
      help,
      type: kind,
      aggregator: 'sum',
      values: family.samples().map(({ suffix, labels, value }) => ({
        labels,
        value,
        ...(suffix === '' ? {} : { metricName: `${metric.name}${suffix}` }),
      })),
    }),
  };
  return metric as unknown as Metric;
}
