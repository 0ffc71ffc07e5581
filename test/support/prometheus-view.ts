// What Prometheus makes of successive scrapes: the samples of a page, and the increase of every counter as `increase()` counts it: from
// one sample of a series to the next, a smaller one being a restart from 0, whatever lay between them; a new series begins at 0.

/** By name and labels, as written. */
export type Samples = ReadonlyMap<string, number>;

export interface Increases {
  scrape(samples: Samples): void;
  /** Over all series of a metric. */
  total(metric: string): number;
}

export function samplesOf(page: string): Samples {
  const samples = new Map<string, number>();
  for (const line of page.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const at = line.lastIndexOf(' ');
    const name = line.slice(0, at);
    if (samples.has(name)) throw new Error(`${name} stands twice on the page`);
    samples.set(name, Number(line.slice(at + 1)));
  }
  return samples;
}

export function increasesSeenBy(): Increases {
  const latest = new Map<string, number>();
  const totals = new Map<string, number>();
  return {
    scrape(samples) {
      for (const [series, value] of samples) {
        const before = latest.get(series) ?? 0;
        const metric = series.replace(/\{.*/, '');
        totals.set(metric, (totals.get(metric) ?? 0) + (value >= before ? value - before : value));
        latest.set(series, value);
      }
    },
    total: (metric) => totals.get(metric) ?? 0,
  };
}
