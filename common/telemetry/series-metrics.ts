// What the metrics tell of themselves: how many series each has, how many left, how often there was no room for one.
// In: the families. Out: families to be written beside them.
import type { ReadFamily } from './exposition.ts';
import type { MetricFamily } from './metric-family.ts';

export function describeSeries(families: readonly MetricFamily[], maxSeries: number): readonly ReadFamily[] {
  if (families.length === 0) return [];
  const of = (read: (family: MetricFamily) => number): ReadFamily['values'] =>
    families.map((family) => ({ labels: { metric: family.definition.name }, value: read(family) }));
  return [
    {
      name: 'ambientd_metric_series',
      help: 'The number of series of a metric, without its overflow series (unstable)',
      kind: 'gauge',
      values: of(({ size }) => size),
    },
    {
      name: 'ambientd_metric_series_limit',
      help: 'The number of series that each metric may have (unstable)',
      kind: 'gauge',
      values: [{ labels: {}, value: maxSeries }],
    },
    {
      name: 'ambientd_metric_evictions_total',
      help: 'The number of series of a metric that left because nothing used them any more (unstable)',
      kind: 'counter',
      values: of(({ evictions }) => evictions),
    },
    {
      name: 'ambientd_metric_overflow_total',
      help: 'How often a new series of a metric found no room and was counted in its overflow series (unstable)',
      kind: 'counter',
      values: of(({ overflows }) => overflows),
    },
  ];
}
