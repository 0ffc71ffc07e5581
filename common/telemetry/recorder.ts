// The seam between the data path and metrics. A connection or request resolves its series once, then adds to plain
// numbers: no map look-up, no label formatting, no global on the way of a byte. Scrape merges recorders into prom-client.

/** Label values in the order of the metric's label names. */
export type LabelValues = readonly string[];

export interface MetricDefinition {
  /** Full Prometheus name, with `_total` for counters. */
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly labelNames: readonly string[];
  /** Upper bounds of a histogram, ascending, without +Inf. */
  readonly buckets?: readonly number[];
}

/**
 * One series, held by whoever asked for it until it calls `release`, once: it will add no more, and the series may leave when
 * nobody holds it for long. `add` is a plain addition.
 */
export interface Series {
  add(amount: number): void;
  release(): void;
}

export interface HistogramSeries {
  observe(value: number): void;
  release(): void;
}

export interface Recorder {
  /** Same definition and values: same series. Each call is a holder. A negative or fractional counter increment is a programming error. */
  counter(metric: MetricDefinition, values: LabelValues): Series;
  gauge(metric: MetricDefinition, values: LabelValues): Series;
  histogram(metric: MetricDefinition, values: LabelValues): HistogramSeries;
}

/** For who counts something and does not keep the series. */
export function addOnce(series: Series, amount: number): void {
  series.add(amount);
  series.release();
}
