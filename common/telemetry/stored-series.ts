// One series of a metric: plain numbers to add to, how many hold it, and its lines of exposition.
// In: amounts. Out: samples for a scrape, and its state where it leaves and comes back.
import type { LabelSet } from './label-sets.ts';
import type { HistogramSeries, Series } from './recorder.ts';

/** One line of exposition: `suffix` is "" or `_bucket`, `_sum`, `_count` of a histogram. */
export interface Sample {
  readonly suffix: string;
  /** Those of the whole series: the same object each time. */
  readonly labels: Readonly<Record<string, string>>;
  readonly bound: number | '+Inf' | undefined;
  readonly value: number;
}

export type SeriesState = number | HistogramState;

export interface HistogramState {
  /** Observations per bucket, not cumulated; the last one is beyond every bound. */
  readonly counts: Float64Array;
  sum: number;
}

/** Told when the last holder has let go. */
export type OnIdle = (series: StoredSeries) => void;

export abstract class StoredSeries {
  readonly set: LabelSet;
  holders = 0;
  /** Since when nobody holds it, on the clock of the table. */
  idleSinceMs = 0;
  readonly #onIdle: OnIdle;

  constructor(set: LabelSet, onIdle: OnIdle) {
    this.set = set;
    this.#onIdle = onIdle;
  }

  release(): void {
    this.holders -= 1;
    if (this.holders === 0) this.#onIdle(this);
  }

  abstract readonly state: SeriesState;
  /** Goes on from where a series of the same labels was. */
  abstract resume(state: SeriesState): void;
  abstract samples(into: Sample[]): void;
}

export class NumberSeries extends StoredSeries implements Series {
  #value = 0;

  get state(): number {
    return this.#value;
  }

  add(amount: number): void {
    this.#value += amount;
  }

  resume(state: SeriesState): void {
    if (typeof state === 'number') this.#value = state;
  }

  samples(into: Sample[]): void {
    into.push({ suffix: '', labels: this.set.labels, bound: undefined, value: this.#value });
  }
}

export class BucketSeries extends StoredSeries implements HistogramSeries {
  readonly #bounds: readonly number[];
  #state: HistogramState;

  constructor(set: LabelSet, onIdle: OnIdle, bounds: readonly number[]) {
    super(set, onIdle);
    this.#bounds = bounds;
    this.#state = { counts: new Float64Array(bounds.length + 1), sum: 0 };
  }

  get state(): HistogramState {
    return this.#state;
  }

  observe(value: number): void {
    let bucket = 0;
    for (const bound of this.#bounds) {
      if (value <= bound) break;
      bucket += 1;
    }
    const { counts } = this.#state;
    counts[bucket] = (counts[bucket] ?? 0) + 1;
    this.#state.sum += value;
  }

  resume(state: SeriesState): void {
    if (typeof state !== 'number') this.#state = state;
  }

  samples(into: Sample[]): void {
    const { labels } = this.set;
    let cumulated = 0;
    for (const [index, count] of this.#state.counts.entries()) {
      cumulated += count;
      into.push({ suffix: '_bucket', labels, bound: this.#bounds[index] ?? '+Inf', value: cumulated });
    }
    into.push({ suffix: '_sum', labels, bound: undefined, value: this.#state.sum });
    into.push({ suffix: '_count', labels, bound: undefined, value: cumulated });
  }
}
