// All series of one metric name, bounded. A series that nobody has held for long leaves, after a scrape has shown its last value; one that
// finds no room is counted in the overflow series, all of whose labels are `overflow`, so that the metric's total stays exact.
// In: definitions and values. Out: handles to add to, samples for a scrape. Never a counter that goes back: see RememberedTotals.
import type { LabelSet, LabelSets } from './label-sets.ts';
import type { LabelValues, MetricDefinition } from './recorder.ts';
import { RememberedTotals } from './remembered-totals.ts';
import type { SeriesBounds } from './series-bounds.ts';
import type { OnIdle, StoredSeries } from './stored-series.ts';

export interface FamilyBounds extends SeriesBounds {
  /** Milliseconds that only grow. */
  readonly now: () => number;
}

/** The value of each label of an overflow series. */
export const overflowValue = 'overflow';

export class MetricFamily<T extends StoredSeries = StoredSeries> {
  /** The one it was made with. Series may differ in label names (Telemetry adds and removes tags). */
  readonly definition: MetricDefinition;
  evictions = 0;
  /** How often a series was asked for and found no room. */
  overflows = 0;
  readonly #sets: LabelSets;
  readonly #bounds: FamilyBounds;
  readonly #create: (set: LabelSet, onIdle: OnIdle) => T;
  readonly #series = new Map<string, T>();
  /** In the order in which they were let go. */
  readonly #idle = new Set<T>();
  readonly #remembered: RememberedTotals;
  #overflow: T | undefined;
  /** One for all series, each of which keeps it. */
  readonly #onIdle: OnIdle = (series) => {
    series.idleSinceMs = this.#bounds.now();
    this.#idle.add(series as T);
  };

  constructor(
    definition: MetricDefinition,
    sets: LabelSets,
    bounds: FamilyBounds,
    create: (set: LabelSet, onIdle: OnIdle) => T,
  ) {
    this.definition = definition;
    this.#sets = sets;
    this.#bounds = bounds;
    this.#create = create;
    this.#remembered = new RememberedTotals(bounds.maxSeries);
  }

  /** Without the overflow series. */
  get size(): number {
    return this.#series.size;
  }

  /** The caller holds it until it calls `release`. */
  hold(definition: MetricDefinition, values: LabelValues): T {
    const { labelNames, name } = definition;
    if (values.length !== labelNames.length) {
      throw new TypeError(`metric ${name} has ${labelNames.length} labels, got ${values.length} values`);
    }
    const key = this.#sets.keyOf(labelNames, values);
    const series = this.#series.get(key) ?? this.#make(key, labelNames, values);
    if (series.holders === 0) this.#idle.delete(series);
    series.holders += 1;
    return series;
  }

  /** Safe to walk while series come and go. */
  *series(): Generator<T> {
    yield* this.#series.values();
    if (this.#overflow !== undefined) yield this.#overflow;
  }

  /**
   * Lets go what nobody has held for long.
   * @param shownAtMs when the scrape began that has shown every series
   * @returns `more` where the work is not done after so many
   */
  evictIdle(shownAtMs: number, atMost: number): 'done' | 'more' {
    const { idleExpiryMs } = this.#bounds;
    if (idleExpiryMs === 0) return 'done';
    let left = atMost;
    for (const series of this.#idle) {
      if (series.idleSinceMs + idleExpiryMs > shownAtMs) return 'done';
      if (left === 0) return 'more';
      // A gauge that is not zero still says something.
      if (this.definition.kind === 'gauge' && series.state !== 0) continue;
      const { key } = series.set;
      this.#idle.delete(series);
      this.#series.delete(key);
      this.#sets.giveBack(series.set);
      if (this.definition.kind !== 'gauge') this.#remembered.remember(key, series.state);
      this.evictions += 1;
      left -= 1;
    }
    return 'done';
  }

  #make(key: string, names: readonly string[], values: LabelValues): T {
    if (isOverflow(values)) return this.#overflowSeries();
    if (this.#series.size >= this.#bounds.maxSeries) {
      this.overflows += 1;
      return this.#overflowSeries();
    }
    const series = this.#create(this.#sets.use(key, names, values), this.#onIdle);
    const before = this.#remembered.take(key);
    if (before !== undefined) series.resume(before);
    this.#series.set(key, series);
    return series;
  }

  #overflowSeries(): T {
    if (this.#overflow === undefined) {
      const { labelNames } = this.definition;
      const values = labelNames.map(() => overflowValue);
      const set = this.#sets.use(this.#sets.keyOf(labelNames, values), labelNames, values);
      this.#overflow = this.#create(set, () => undefined);
    }
    return this.#overflow;
  }
}

function isOverflow(values: LabelValues): boolean {
  return values.length > 0 && values.every((value) => value === overflowValue);
}
