// What a daemon's /metrics answers: our series, those of the runtime, and the registry's own, in prom-client's formats.
// Prometheus text by default, OpenMetrics where the scraper asks for it (ztunnel.md §10). Empty metrics are left out.
import { setImmediate as otherWork } from 'node:timers/promises';
import {
  contentTypeOf,
  type Exposition,
  formatFor,
  type ReadFamily,
  type TextFormat,
  writeExposition,
} from './exposition.ts';
import type { FamilyBounds, MetricFamily } from './metric-family.ts';
import type { Recorder } from './recorder.ts';
import { defaultSeriesBounds } from './series-bounds.ts';
import { describeSeries } from './series-metrics.ts';
import { SeriesTable } from './series-table.ts';

export interface MetricsRegistry {
  readonly recorder: Recorder;
  /** @param accept the scrape request's Accept header */
  expose(accept: string | undefined): Exposition;
  /** The whole page in one text. */
  exposition(accept: string | undefined): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Awaited before each scrape: what is counted elsewhere. Ends within a bound. */
  collectBefore(collect: () => Promise<void>): void;
  /** Further families, read at each scrape. */
  readAtScrape(read: () => Promise<readonly ReadFamily[]>): void;
}

const evictionsPerSlice = 500;

export function createMetricsRegistry(given: Partial<FamilyBounds> = {}): MetricsRegistry {
  const bounds: FamilyBounds = { ...defaultSeriesBounds, now: () => performance.now(), ...given };
  const table = new SeriesTable(bounds);
  const collectors: (() => Promise<void>)[] = [];
  const readers: (() => Promise<readonly ReadFamily[]>)[] = [];
  const readAll = async (): Promise<readonly ReadFamily[]> => {
    const read = await Promise.all(readers.map((reader) => reader()));
    return [...describeSeries(table.families(), bounds.maxSeries), ...read.flat()];
  };

  async function* slicesOf(format: TextFormat): AsyncGenerator<string> {
    await Promise.all(collectors.map((collect) => collect()));
    const startedAtMs = bounds.now();
    const families = table.families();
    yield* writeExposition(format, families, readAll);
    // Only now: each series that leaves has been shown with its last value.
    await evictIdle(families, startedAtMs);
  }

  const expose = (accept: string | undefined): Exposition => {
    const format = formatFor(accept);
    return { contentType: contentTypeOf(format), slices: slicesOf(format) };
  };
  return {
    recorder: table,
    expose,
    async exposition(accept) {
      const { contentType, slices } = expose(accept);
      let body = '';
      for await (const slice of slices) body += slice;
      return { contentType, body };
    },
    collectBefore: (collect) => collectors.push(collect),
    readAtScrape: (read) => readers.push(read),
  };
}

async function evictIdle(families: readonly MetricFamily[], shownAtMs: number): Promise<void> {
  for (const family of families) {
    while (family.evictIdle(shownAtMs, evictionsPerSlice) === 'more') await otherWork();
  }
}
