// Writes metrics for a scrape in slices, so that the bytes of connections pass in between. prom-client's registry formats each slice;
// here is only what it lacks: a family in several pieces, and one family in both text formats (ztunnel.md §10).
import { setImmediate as otherWork } from 'node:timers/promises';
import { type Metric, type OpenMetricsContentType, Registry } from 'prom-client';
import type { MetricFamily } from './metric-family.ts';
import type { Sample, StoredSeries } from './stored-series.ts';

export interface Exposition {
  readonly contentType: string;
  /** The page, piece by piece. */
  readonly slices: AsyncIterable<string>;
}

/** What is read when scraped rather than counted: the runtime's metrics, and the registry's own. */
export interface ReadFamily {
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly values: readonly {
    readonly labels: Readonly<Record<string, string | number>>;
    readonly value: number;
    readonly metricName?: string;
  }[];
}

export type TextFormat = 'text' | 'open';

/** Lines between two chances for other work: less than a millisecond. */
const linesPerSlice = 100;

export function contentTypeOf(format: TextFormat): string {
  return format === 'open' ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE;
}

/** @param accept the scrape request's Accept header */
export function formatFor(accept: string | undefined): TextFormat {
  return accept?.includes('application/openmetrics-text') === true ? 'open' : 'text';
}

export async function* writeExposition(
  format: TextFormat,
  families: readonly MetricFamily[],
  readFamilies: () => Promise<readonly ReadFamily[]>,
): AsyncGenerator<string> {
  for (const family of families) yield* writeFamily(format, family);
  for (const family of await readFamilies()) {
    if (family.values.length > 0) yield await writeSlice(format, family, 'first');
  }
  if (format === 'open') yield '# EOF\n';
}

async function* writeFamily(format: TextFormat, family: MetricFamily): AsyncGenerator<string> {
  const { definition } = family;
  let place: 'first' | 'later' = 'first';
  let samples: Sample[] = [];
  const write = async (): Promise<string> => {
    const values = samples.map((sample) => promClientValue(format, definition.name, sample));
    samples = [];
    const slice = await writeSlice(format, { ...definition, values }, place);
    place = 'later';
    return slice;
  };
  for (const series of family.series() as Iterable<StoredSeries>) {
    series.samples(samples);
    if (samples.length < linesPerSlice) continue;
    yield await write();
    await otherWork();
  }
  if (samples.length > 0) yield await write();
}

/** `sharedLabels` are formatted once for as long as their object lives. */
function promClientValue(format: TextFormat, name: string, { suffix, labels, bound, value }: Sample) {
  return {
    labels: bound === undefined ? {} : { le: bound },
    sharedLabels: labels,
    value,
    ...(suffix === '' ? {} : { metricName: `${nameIn(format, name, 'histogram')}${suffix}` }),
  };
}

async function writeSlice(format: TextFormat, family: ReadFamily, place: 'first' | 'later'): Promise<string> {
  const { help, kind, values } = family;
  const name = nameIn(format, family.name, kind);
  const type = format === 'open' && kind === 'counter' && name === family.name ? 'unknown' : kind;
  const piece = { name, get: async () => ({ name, help, type, aggregator: 'sum', values }) };
  const registry = format === 'open' ? openMetricsRegistry() : new Registry();
  registry.registerMetric(piece as unknown as Metric);
  const lines = `${await registry.getSingleMetricAsString(name)}\n`;
  return place === 'first' ? lines : withoutHead(lines);
}

function openMetricsRegistry(): Registry<OpenMetricsContentType> {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  return registry;
}

/**
 * OpenMetrics names a counter's family without `_total`; prom-client appends it to the lines. A counter whose user named it otherwise
 * keeps its name, as one of unknown type.
 */
function nameIn(format: TextFormat, name: string, kind: ReadFamily['kind']): string {
  return format === 'open' && kind === 'counter' ? name.replace(/_total$/, '') : name;
}

/** HELP and TYPE stand once, before a family's first line. */
function withoutHead(lines: string): string {
  return lines.slice(lines.indexOf('\n', lines.indexOf('\n') + 1) + 1);
}
