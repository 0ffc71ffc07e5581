// What one thread tells another of its metrics: what was added to each series since it told before. Plain values, which may be
// sent to another thread; a series and its labels are named once, and then by number.
import type { LabelValues, MetricDefinition } from './recorder.ts';

export interface NewSeries {
  readonly id: number;
  readonly definition: MetricDefinition;
  readonly values: LabelValues;
}

export interface SeriesBatch {
  readonly added: readonly NewSeries[];
  /** Counters and gauges: number of the series, then what was added to it, and so on. */
  readonly amounts: Float64Array;
  /** Histograms: every value. */
  readonly observed: readonly { readonly id: number; readonly values: readonly number[] }[];
  /** Not told of again under this number. */
  readonly gone: readonly number[];
}
