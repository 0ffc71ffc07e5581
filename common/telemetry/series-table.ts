// The series behind a Recorder: one table a metric name, one small object with plain numbers a series.
// In: definitions and label values. Out: handles that data-path code adds to, and samples for a scrape.
import type { HistogramSeries, LabelValues, MetricDefinition, Recorder, Series } from './recorder.ts';

/** One line of exposition: `labels` in order; `suffix` is "" or `_bucket`, `_sum`, `_count` of a histogram. */
export interface Sample {
  readonly suffix: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

interface StoredSeries {
  readonly labels: Readonly<Record<string, string>>;
  samples(into: Sample[]): void;
}

/** All series of one metric name. Series may differ in label names (Telemetry adds and removes tags). */
export class MetricFamily {
  readonly definition: MetricDefinition;
  readonly #series = new Map<string, StoredSeries>();

  constructor(definition: MetricDefinition) {
    this.definition = definition;
  }

  get size(): number {
    return this.#series.size;
  }

  resolve<T extends StoredSeries>(
    definition: MetricDefinition,
    values: LabelValues,
    create: (labels: Record<string, string>) => T,
  ): T {
    const key = `${definition.labelNames.join('\u0001')}\u0002${values.join('\u0001')}`;
    const known = this.#series.get(key);
    if (known !== undefined) return known as T;
    const series = create(labelsOf(definition, values));
    this.#series.set(key, series);
    return series;
  }

  samples(): Sample[] {
    const samples: Sample[] = [];
    for (const series of this.#series.values()) series.samples(samples);
    return samples;
  }
}

export class SeriesTable implements Recorder {
  readonly #families = new Map<string, MetricFamily>();
  readonly #onFamily: (family: MetricFamily) => void;

  /** @param onFamily told once a metric name, when its first series is made */
  constructor(onFamily: (family: MetricFamily) => void) {
    this.#onFamily = onFamily;
  }

  counter(metric: MetricDefinition, values: LabelValues): Series {
    return this.#family(metric).resolve(metric, values, (labels) => new NumberSeries(labels));
  }

  gauge(metric: MetricDefinition, values: LabelValues): Series {
    return this.#family(metric).resolve(metric, values, (labels) => new NumberSeries(labels));
  }

  histogram(metric: MetricDefinition, values: LabelValues): HistogramSeries {
    const buckets = metric.buckets ?? [];
    return this.#family(metric).resolve(metric, values, (labels) => new BucketSeries(labels, buckets));
  }

  seriesCount(): number {
    let count = 0;
    for (const family of this.#families.values()) count += family.size;
    return count;
  }

  #family(metric: MetricDefinition): MetricFamily {
    const known = this.#families.get(metric.name);
    if (known !== undefined) {
      if (known.definition.kind === metric.kind) return known;
      throw new TypeError(`metric ${metric.name} is a ${known.definition.kind}, not a ${metric.kind}`);
    }
    const family = new MetricFamily(metric);
    this.#families.set(metric.name, family);
    this.#onFamily(family);
    return family;
  }
}

class NumberSeries implements Series, StoredSeries {
  readonly labels: Readonly<Record<string, string>>;
  #value = 0;

  constructor(labels: Record<string, string>) {
    this.labels = labels;
  }

  add(amount: number): void {
    this.#value += amount;
  }

  release(): void {}

  samples(into: Sample[]): void {
    into.push({ suffix: '', labels: this.labels, value: this.#value });
  }
}

class BucketSeries implements HistogramSeries, StoredSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly #bounds: readonly number[];
  /** Observations per bucket, not cumulated; the last one is beyond every bound. */
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(labels: Record<string, string>, bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let bucket = 0;
    for (const bound of this.#bounds) {
      if (value <= bound) break;
      bucket += 1;
    }
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
  }

  release(): void {}

  samples(into: Sample[]): void {
    let cumulated = 0;
    for (const [index, count] of this.#counts.entries()) {
      cumulated += count;
      into.push({
        suffix: '_bucket',
        labels: { ...this.labels, le: this.#bounds[index] ?? '+Inf' },
        value: cumulated,
      });
    }
    into.push({ suffix: '_sum', labels: this.labels, value: this.#sum });
    into.push({ suffix: '_count', labels: this.labels, value: cumulated });
  }
}

function labelsOf(definition: MetricDefinition, values: LabelValues): Record<string, string> {
  const { labelNames, name } = definition;
  if (values.length !== labelNames.length) {
    throw new TypeError(`metric ${name} has ${labelNames.length} labels, got ${values.length} values`);
  }
  const labels: Record<string, string> = {};
  for (const [index, labelName] of labelNames.entries()) labels[labelName] = values[index] ?? '';
  return labels;
}
