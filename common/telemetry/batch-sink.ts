// Adds what another thread has told of its metrics to the series of this one. In: batches, in their order. Out: series of the
// recorder. When that thread is lost, its gauges are taken back: what it counted there is no more.
import type { HistogramSeries, LabelValues, MetricDefinition, Recorder, Series } from './recorder.ts';
import type { NewSeries, SeriesBatch } from './series-batch.ts';

export interface BatchSink {
  add(batch: SeriesBatch): void;
  /** The other thread has ended, in order or not. */
  close(): void;
}

export interface BatchSinkOptions {
  readonly recorder: Recorder;
  /** Told of each amount of a counter. */
  readonly onCounted?: (definition: MetricDefinition, values: LabelValues, amount: number) => void;
}

interface Told extends NewSeries {
  readonly number: Series | undefined;
  readonly histogram: HistogramSeries | undefined;
  /** Of a gauge: what this thread has added in all. */
  total: number;
}

export function createBatchSink({ recorder, onCounted }: BatchSinkOptions): BatchSink {
  const told = new Map<number, Told>();

  function begin(series: NewSeries): void {
    const { definition, values } = series;
    const histogram = definition.kind === 'histogram' ? recorder.histogram(definition, values) : undefined;
    const number =
      definition.kind === 'counter'
        ? recorder.counter(definition, values)
        : definition.kind === 'gauge'
          ? recorder.gauge(definition, values)
          : undefined;
    told.set(series.id, { ...series, number, histogram, total: 0 });
  }

  function addAmount(series: Told, amount: number): void {
    series.number?.add(amount);
    if (series.definition.kind === 'gauge') series.total += amount;
    else onCounted?.(series.definition, series.values, amount);
  }

  function end(id: number, series: Told): void {
    told.delete(id);
    series.number?.release();
    series.histogram?.release();
  }

  return {
    add({ added, amounts, observed, gone }) {
      for (const series of added) begin(series);
      for (let at = 0; at + 1 < amounts.length; at += 2) {
        const series = told.get(amounts[at] ?? 0);
        if (series !== undefined) addAmount(series, amounts[at + 1] ?? 0);
      }
      for (const { id, values } of observed) for (const value of values) told.get(id)?.histogram?.observe(value);
      for (const id of gone) {
        const series = told.get(id);
        if (series !== undefined) end(id, series);
      }
    },
    close() {
      for (const [id, series] of [...told]) {
        if (series.total !== 0) series.number?.add(-series.total);
        end(id, series);
      }
    },
  };
}
