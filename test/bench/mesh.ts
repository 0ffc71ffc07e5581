// The first table of numbers: the same load, client to server, directly and through the mesh, in one interleaved run.
// usage: npm run bench -- [--rounds N] [--seconds S] [--json FILE]. Load stays inside the mesh's own namespaces.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { table } from '../../deploy/local/mesh-status.ts';
import { cpuSeconds, median, pssMegabytes } from './process-figures.ts';

const here = dirname(fileURLToPath(import.meta.url));
const program = join(here, '../../deploy/local/main.ts');
const meshName = 'bench';
const works = ['bulk-up', 'bulk-down', 'echo-64x1k', 'connect-64', 'ping-1'] as const;
const places = ['direct', 'mesh'] as const;

interface Sample {
  readonly work: (typeof works)[number];
  readonly place: (typeof places)[number];
  readonly round: number;
  readonly unit: string;
  readonly rate: number;
  readonly p50Us?: number;
  readonly p99Us?: number;
  /** CPU of ztunnel, both ends, in µs for each MB, message or connection. */
  readonly cpuUs: number;
}

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    json: { type: 'string' },
  },
});

function ambientd(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function outputOf(child: ChildProcess): Promise<string> {
  const chunks: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${child.spawnargs.slice(1).join(' ')} ended with ${code}`);
  return Buffer.concat(chunks).toString();
}

interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly address: string;
  readonly state: string;
}

async function podsWhenReady(): Promise<readonly Pod[]> {
  for (let attempt = 0; attempt < 60; attempt += 1) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const text = await outputOf(ambientd(['status', '--json', '--name', meshName])).catch(() => '');
    if (text === '') continue;
    const { pods } = JSON.parse(text) as { pods: readonly Pod[] };
    if (pods.length === 4 && pods.every((pod) => pod.state === 'ready')) return pods;
  }
  throw new Error('the benchmark mesh was not ready after 30 s');
}

interface Run {
  readonly work: Sample['work'];
  readonly place: Sample['place'];
  readonly round: number;
}

async function measure({ work, place, round }: Run, server: Pod, ztunnel: number): Promise<Sample> {
  // Else the direct connections of a few rounds use up the client's ports, which stay in TIME_WAIT for a minute.
  const reusePorts = 'echo 1 > /proc/sys/net/ipv4/tcp_tw_reuse; exec "$@"';
  const client = [process.execPath, join(here, 'load-client.ts'), work, server.address, '9000', options.seconds];
  const load = ['sh', '-c', reusePorts, 'sh', ...client];
  const before = cpuSeconds([ztunnel]);
  const text = await outputOf(ambientd(['exec', `${place}/client`, '--name', meshName, '--', ...load]));
  const figures = JSON.parse(text) as Pick<Sample, 'unit' | 'rate'>;
  const units = figures.rate * Number(options.seconds) * (figures.unit === 'GB/s' ? 1_000 : 1);
  return { work, place, round, ...figures, cpuUs: ((cpuSeconds([ztunnel]) - before) * 1e6) / units };
}

/** The one process that runs ztunnel below `pid`. */
function findZtunnel(pid: number): number {
  const parents = new Map<number, number[]>();
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      parents.set(parent, [...(parents.get(parent) ?? []), Number(entry)]);
    } catch {
      // The process has ended meanwhile.
    }
  }
  const below = (of: number): number[] => (parents.get(of) ?? []).flatMap((child) => [child, ...below(child)]);
  const found = below(pid).find((each) => /ztunnel\/main\.ts/.test(readFileSync(`/proc/${each}/cmdline`, 'utf8')));
  if (found === undefined) throw new Error('the benchmark mesh runs no ztunnel');
  return found;
}

function summarize(samples: readonly Sample[]): readonly string[] {
  const text = (unit: string, rate: number): string => (unit === 'GB/s' ? rate.toFixed(2) : rate.toFixed(0));
  const rows = works.map((work) => {
    const of = (place: string) => samples.filter((sample) => sample.work === work && sample.place === place);
    const [direct, mesh] = [of('direct'), of('mesh')];
    const unit = direct[0]?.unit ?? '';
    const ratios = mesh.map((sample, index) => sample.rate / (direct[index]?.rate ?? Number.NaN));
    const latency = (of: readonly Sample[]): string =>
      of[0]?.p50Us === undefined
        ? '-'
        : `${median(of.map((s) => s.p50Us ?? 0))} / ${median(of.map((s) => s.p99Us ?? 0))}`;
    return [
      work,
      unit,
      text(unit, median(direct.map((sample) => sample.rate))),
      text(unit, median(mesh.map((sample) => sample.rate))),
      median(ratios).toFixed(2),
      latency(direct),
      latency(mesh),
      median(mesh.map((sample) => sample.cpuUs)).toPrecision(3),
    ];
  });
  return table(['work', 'unit', 'direct', 'mesh', 'ratio', 'direct p50 / p99 µs', 'mesh p50 / p99 µs', 'CPU µs'], rows);
}

const mesh = ambientd(['up', join(here, 'manifests'), '--name', meshName]);
mesh.stdout?.resume();
try {
  const pods = await podsWhenReady();
  const ztunnel = findZtunnel(mesh.pid ?? 0);
  const idle = pssMegabytes(ztunnel);
  const samples: Sample[] = [];
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const work of works) {
      // Who goes first alternates, so that a drift of the machine's speed favours neither.
      for (const place of round % 2 === 0 ? places : places.toReversed()) {
        const server = pods.find((pod) => pod.namespace === place && pod.name === 'server');
        if (server !== undefined) samples.push(await measure({ work, place, round }, server, ztunnel));
      }
    }
  }
  const loaded = pssMegabytes(ztunnel);
  const lines = [
    `${options.rounds} interleaved rounds of ${options.seconds} s, ${cpus().length} cores shared by load, application and mesh; medians, ratio = mesh ÷ direct per round, CPU = of ztunnel (both ends) for each MB, message or connection`,
    '',
    ...summarize(samples),
    '',
    `ztunnel memory (PSS): ${idle.toFixed(0)} MB idle, ${loaded.toFixed(0)} MB after the load`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(samples));
} finally {
  const ended = once(mesh, 'close');
  mesh.kill('SIGTERM');
  await ended;
}
