// The Recorder of a thread that has no metrics page: it keeps what was added until it is told to another thread, whose series
// are the ones that are shown. In: amounts. Out: batches. A series that nobody holds leaves after a while; one that finds no room is
// counted where that thread would count it, among those that overflow.
import { LabelSets } from './label-sets.ts';
import { overflowValue } from './metric-family.ts';
import type { HistogramSeries, LabelValues, MetricDefinition, Recorder, Series } from './recorder.ts';
import type { NewSeries, SeriesBatch } from './series-batch.ts';
import { defaultSeriesBounds } from './series-bounds.ts';

export interface BatchRecorder extends Recorder {
  /** What was added since the last time. */
  take(): SeriesBatch;
}

/** A series that comes back soon need not be named again. */
const idleMs = 60_000;

/**
 * @param now milliseconds that only grow
 * @param maxSeries of one metric; its overflow series comes on top
 */
export function createBatchRecorder(now: () => number, maxSeries = defaultSeriesBounds.maxSeries): BatchRecorder {
  return new PendingSeries(now, maxSeries);
}

class PendingSeries implements BatchRecorder {
  readonly #now: () => number;
  readonly #maxSeries: number;
  readonly #sets = new LabelSets();
  /** By name, then by labels. */
  readonly #byName = new Map<string, Map<string, HeldSeries>>();
  #added: NewSeries[] = [];
  #lastId = 0;

  constructor(now: () => number, maxSeries: number) {
    this.#now = now;
    this.#maxSeries = maxSeries;
  }

  counter(metric: MetricDefinition, values: LabelValues): Series {
    return this.#hold(metric, values);
  }

  gauge(metric: MetricDefinition, values: LabelValues): Series {
    return this.#hold(metric, values);
  }

  histogram(metric: MetricDefinition, values: LabelValues): HistogramSeries {
    return this.#hold(metric, values);
  }

  take(): SeriesBatch {
    const amounts: number[] = [];
    const observed: { readonly id: number; readonly values: readonly number[] }[] = [];
    const gone: number[] = [];
    const nowMs = this.#now();
    for (const [name, ofName] of this.#byName) {
      for (const [key, series] of ofName) {
        const { id, amount } = series;
        if (amount !== 0) amounts.push(id, amount);
        if (series.observed.length > 0) observed.push({ id, values: series.observed });
        if (series.rest(nowMs) < idleMs) continue;
        ofName.delete(key);
        gone.push(id);
      }
      if (ofName.size === 0) this.#byName.delete(name);
    }
    const added = this.#added;
    this.#added = [];
    return { added, amounts: Float64Array.from(amounts), observed, gone };
  }

  #hold(definition: MetricDefinition, values: LabelValues): HeldSeries {
    const { name, labelNames } = definition;
    let ofName = this.#byName.get(name);
    if (ofName === undefined) this.#byName.set(name, (ofName = new Map()));
    let [key, shown] = [this.#sets.keyOf(labelNames, values), values];
    if (!ofName.has(key) && ofName.size >= this.#maxSeries) {
      shown = labelNames.map(() => overflowValue);
      key = this.#sets.keyOf(labelNames, shown);
    }
    let series = ofName.get(key);
    if (series === undefined) {
      series = new HeldSeries(++this.#lastId, definition.kind, this.#now());
      ofName.set(key, series);
      this.#added.push({ id: series.id, definition, values: shown });
    }
    series.holders += 1;
    return series;
  }
}

class HeldSeries implements Series, HistogramSeries {
  readonly id: number;
  holders = 0;
  amount = 0;
  observed: number[] = [];
  readonly #kind: MetricDefinition['kind'];
  #told = 0;
  #usedMs: number;

  constructor(id: number, kind: MetricDefinition['kind'], nowMs: number) {
    this.id = id;
    this.#kind = kind;
    this.#usedMs = nowMs;
  }

  add(amount: number): void {
    this.amount += amount;
  }

  observe(value: number): void {
    this.observed.push(value);
  }

  release(): void {
    this.holders -= 1;
  }

  /** Begins anew after what was added has been taken. @returns for how long (milliseconds) it has not been needed */
  rest(nowMs: number): number {
    this.#told += this.amount;
    // A gauge that is not zero still says something.
    const isNeeded = this.holders > 0 || (this.#kind === 'gauge' && this.#told !== 0);
    if (isNeeded || this.amount !== 0 || this.observed.length > 0) this.#usedMs = nowMs;
    this.amount = 0;
    if (this.observed.length > 0) this.observed = [];
    return nowMs - this.#usedMs;
  }
}
