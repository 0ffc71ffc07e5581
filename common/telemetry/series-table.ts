// The Recorder: one family a metric name, all of them sharing label sets and bounds.
// In: definitions and label values. Out: handles that data-path code adds to, and the families for a scrape.
import { LabelSets } from './label-sets.ts';
import { type FamilyBounds, MetricFamily } from './metric-family.ts';
import type { HistogramSeries, LabelValues, MetricDefinition, Recorder, Series } from './recorder.ts';
import { BucketSeries, NumberSeries } from './stored-series.ts';

export class SeriesTable implements Recorder {
  readonly #numbers = new Map<string, MetricFamily<NumberSeries>>();
  readonly #histograms = new Map<string, MetricFamily<BucketSeries>>();
  readonly #sets = new LabelSets();
  readonly #bounds: FamilyBounds;

  constructor(bounds: FamilyBounds) {
    this.#bounds = bounds;
  }

  counter(metric: MetricDefinition, values: LabelValues): Series {
    return this.#number(metric).hold(metric, values);
  }

  gauge(metric: MetricDefinition, values: LabelValues): Series {
    return this.#number(metric).hold(metric, values);
  }

  histogram(metric: MetricDefinition, values: LabelValues): HistogramSeries {
    const known = this.#histograms.get(metric.name);
    if (known !== undefined) return known.hold(metric, values);
    refuseOtherKind(metric, this.#numbers.get(metric.name));
    const buckets = metric.buckets ?? [];
    const family = new MetricFamily(
      metric,
      this.#sets,
      this.#bounds,
      (set, onIdle) => new BucketSeries(set, onIdle, buckets),
    );
    this.#histograms.set(metric.name, family);
    return family.hold(metric, values);
  }

  families(): readonly MetricFamily[] {
    return [...this.#numbers.values(), ...this.#histograms.values()];
  }

  #number(metric: MetricDefinition): MetricFamily<NumberSeries> {
    const known = this.#numbers.get(metric.name);
    refuseOtherKind(metric, known ?? this.#histograms.get(metric.name));
    if (known !== undefined) return known;
    const family = new MetricFamily(metric, this.#sets, this.#bounds, (set, onIdle) => new NumberSeries(set, onIdle));
    this.#numbers.set(metric.name, family);
    return family;
  }
}

function refuseOtherKind({ name, kind }: MetricDefinition, known: MetricFamily | undefined): void {
  if (known === undefined || known.definition.kind === kind) return;
  throw new TypeError(`metric ${name} is a ${known.definition.kind}, not a ${kind}`);
}
