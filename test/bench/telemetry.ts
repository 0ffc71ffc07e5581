// What telemetry costs: of one connection its metrics and its line of the access log, of the daemon its line in two works of the tunnel, and a scrape.
// usage: npm run bench -- telemetry [--rounds N] [--seconds S] [--connections N] [--json FILE]. The works need what `npm run bench -- tunnel` needs.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { table } from '../../deploy/local/mesh-status.ts';
import { median } from './process-figures.ts';

const { values: options } = parseArgs({
  // The word that chose this benchmark.
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1.5' },
    connections: { type: 'string', default: '30000' },
    json: { type: 'string' },
  },
});

const here = import.meta.dirname;
const folder = mkdtempSync(join(tmpdir(), 'ambientd-bench-telemetry-'));

/** What one connection is told of, in order of cost. */
const variants = ['nothing', 'metrics', 'json', 'plain'] as const;

function run(program: string, args: readonly string[], nodeOptions: readonly string[] = []): string {
  const log = openSync(join(folder, 'lines.log'), 'w');
  const { status, stderr } = spawnSync(process.execPath, [...nodeOptions, join(here, program), ...args], {
    stdio: ['ignore', log, 'pipe'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`);
  return stderr;
}

/** CPU in µs for each connection. */
function costOf(variant: (typeof variants)[number]): number {
  return Number(run('telemetry-connections.ts', [variant, options.connections]));
}

interface Scrape {
  readonly series: number;
  readonly bytesPerScrapedSeries: number;
  readonly rounds: readonly { readonly totalMs: number; readonly longestPauseMs: number }[];
}

function scrape(): Scrape {
  run('scrape.ts', [], ['--expose-gc']);
  return JSON.parse(readFileSync(join(folder, 'lines.log'), 'utf8')) as Scrape;
}

interface Sample {
  readonly config: string;
  readonly work: string;
  readonly round: number;
  readonly value: number;
  readonly cpuUs: number;
}

const works = ['connect64', 'echo64'] as const;

/** Undefined where the machine lacks what the tunnel needs. */
function measureWorks(): readonly Sample[] | string {
  const file = join(folder, 'samples.json');
  const args = ['tunnel', '--configs', 'ours,unlogged', '--works', works.join(), '--rounds', options.rounds];
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(here, 'tunnel.ts'), ...args, '--seconds', options.seconds, '--json', file],
    { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] },
  );
  if (status !== 0) return `not measured: ${stderr.trim().split('\n').at(-1)}`;
  return JSON.parse(readFileSync(file, 'utf8')) as readonly Sample[];
}

function ratiosOf(samples: readonly Sample[]): readonly string[] {
  const rows = works.map((work) => {
    const of = (config: string) => samples.filter((sample) => sample.work === work && sample.config === config);
    const [logged, unlogged] = [of('ours'), of('unlogged')];
    const ratio = (read: (sample: Sample) => number): string =>
      median(
        logged.map((sample) => {
          const other = unlogged.find(({ round }) => round === sample.round);
          return read(sample) / (other === undefined ? Number.NaN : read(other));
        }),
      ).toFixed(3);
    const cell = (from: readonly Sample[], read: (sample: Sample) => number): string =>
      median(from.map(read)).toPrecision(4);
    const [value, cpu] = [(sample: Sample) => sample.value, (sample: Sample) => sample.cpuUs];
    return [
      work,
      cell(logged, value),
      cell(unlogged, value),
      ratio(value),
      cell(logged, cpu),
      cell(unlogged, cpu),
      ratio(cpu),
    ];
  });
  return table(['work', '1/s', 'no log', 'ratio', 'CPU µs', 'no log', 'ratio'], rows);
}

try {
  const costs = variants.map((variant) => {
    const rounds = Array.from({ length: Number(options.rounds) }, () => costOf(variant));
    return { variant, cpuUs: median(rounds), rounds };
  });
  const [nothing] = costs;
  const page = scrape();
  const samples = measureWorks();
  const lines = [
    `CPU of one connection's telemetry, µs, median of ${options.rounds} processes with ${options.connections} connections each:`,
    ...costs.slice(1).map(({ variant, cpuUs }) => {
      const what = variant === 'metrics' ? 'metrics' : `metrics and a ${variant} line`;
      return `  ${what}: ${(cpuUs - (nothing?.cpuUs ?? 0)).toFixed(2)}`;
    }),
    '',
    `a scrape of ${page.series} series: ${median(page.rounds.map(({ totalMs }) => totalMs))} ms, the longest pause of other work ${median(page.rounds.map(({ longestPauseMs }) => longestPauseMs))} ms (medians of ${page.rounds.length}); ${page.bytesPerScrapedSeries} bytes a series`,
    '',
    ...(typeof samples === 'string' ? [samples] : ratiosOf(samples)),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  if (options.json !== undefined) writeFileSync(options.json, JSON.stringify({ costs, scrape: page, samples }));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
