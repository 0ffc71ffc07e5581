// What a workload costs a whole daemon in memory, at rest and at its peak, ours beside Istio's ztunnel: each reads the same file of
// workloads (LOCAL_XDS_PATH). usage: npm run bench -- workload-memory [--workloads N] [--json FILE]. Needs `../shared/peers` and root.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { table } from '../../deploy/local/mesh-status.ts';
import { daemonNodeOptions } from '../../deploy/local/program-files.ts';
import { unpackPeers } from '../support/peers.ts';
import { buildProgram } from './build-program.ts';

const { values: options } = parseArgs({
  // The word that chose this benchmark.
  allowPositionals: true,
  options: {
    workloads: { type: 'string', default: '100000' },
    json: { type: 'string' },
  },
});

const marker = 'AMBIENTD_BENCH_NAMESPACE';
const settleMs = 10_000;

interface Memory {
  /** Private pages that were written, at rest. */
  readonly restKilobytes: number;
  readonly peakKilobytes: number;
}

/** One entry a line, ten workloads a service. */
function resources(count: number): string {
  const line = (value: object): string => `- ${JSON.stringify(value)}\n`;
  const common = { protocol: 'HBONE', trustDomain: 'cluster.local', clusterId: 'Kubernetes', network: '' };
  const names = Array.from({ length: Math.ceil(count / 10) }, (_, index) => ({
    namespace: `ns${index % 100}`,
    name: `app-${index}`,
  }));
  const address = (first: number, index: number): string =>
    `10.${first + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
  const workloads = Array.from({ length: count }, (_, index) => {
    const { namespace = '', name = '' } = names[index % names.length] ?? {};
    const pod = `${name}-7d4b9c6f8d-${index.toString(16).padStart(6, '0')}`;
    const own = { uid: `Kubernetes//Pod/${namespace}/${pod}`, name: pod, namespace, serviceAccount: name };
    const place = { workloadIps: [address(128, index)], node: `node-${index % 1_000}`, workloadName: name };
    const kind = { workloadType: 'deployment', canonicalName: name, canonicalRevision: 'v1' };
    return line({ ...own, ...place, ...kind, ...common }).replace(
      /\}\n$/,
      `, services: {"${namespace}/${name}.${namespace}.svc.cluster.local": {80: 8080}}}\n`,
    );
  });
  const services = names.map(({ namespace, name }, index) =>
    line({
      name,
      namespace,
      hostname: `${name}.${namespace}.svc.cluster.local`,
      vips: [`/${address(100, index)}`],
    }).replace(/\}\n$/, ', ports: {80: 8080}}\n'),
  );
  return `workloads:${count === 0 ? ' []' : ''}\n${workloads.join('')}services:${count === 0 ? ' []' : ''}\n${services.join('')}`;
}

function kilobytes(pid: number, file: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'));
  return Number(found?.[1]);
}

async function ready(child: ChildProcess): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; await setTimeout(200)) {
    if (child.exitCode !== null) throw new Error(`the daemon ended with ${child.exitCode}`);
    const answer = await fetch('http://127.0.0.1:15021/healthz/ready').catch(() => undefined);
    if (answer?.ok) return;
  }
  throw new Error('the daemon is not ready after a minute');
}

async function measure(argv: readonly string[], file: string, folder: string): Promise<Memory> {
  const [program = '', ...args] = argv;
  const log = openSync(join(folder, 'daemon.log'), 'a');
  const child = spawn(program, args, {
    stdio: ['ignore', log, log],
    env: {
      ...{
        PATH: process.env['PATH'],
        PROXY_MODE: 'dedicated',
        PROXY_WORKLOAD_INFO: 'ns0/app-0/app-0',
        NODE_NAME: 'node-0',
      },
      ...{
        LOCAL_XDS_PATH: file,
        XDS_ADDRESS: '',
        FAKE_CA: 'true',
        CA_ADDRESS: 'https://127.0.0.1:15912',
        CA_ROOT_CA: file,
      },
      ...{ PACKET_MARK: '1337', ISTIO_META_DNS_CAPTURE: 'false' },
    },
  });
  const pid = child.pid ?? 0;
  try {
    await ready(child);
    await setTimeout(settleMs);
    return {
      restKilobytes: kilobytes(pid, 'smaps_rollup', 'Private_Dirty'),
      peakKilobytes: kilobytes(pid, 'status', 'VmHWM'),
    };
  } finally {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
}

async function run(folder: string): Promise<void> {
  spawnSync('ip', ['link', 'set', 'lo', 'up']);
  const count = Number(options.workloads);
  const [none, many] = [join(folder, 'none.yaml'), join(folder, 'many.yaml')];
  writeFileSync(none, resources(0));
  writeFileSync(many, resources(count));
  const ends: (() => unknown)[] = [];
  const peers = unpackPeers({ teardown: (end) => void ends.push(end) }, 'ztunnel');
  const daemons = {
    istio: [join(peers, 'ztunnel')],
    ours: [process.execPath, ...daemonNodeOptions, join(buildProgram(join(folder, 'built')), 'ztunnel/main.js')],
  };
  const rows = [];
  try {
    for (const [name, argv] of Object.entries(daemons)) {
      const [idle, full] = [await measure(argv, none, folder), await measure(argv, many, folder)];
      const each = (of: keyof Memory): string => ((full[of] - idle[of]) / count).toFixed(2);
      rows.push([name, (idle.restKilobytes / 1_024).toFixed(1), each('restKilobytes'), each('peakKilobytes')]);
    }
  } finally {
    for (const end of ends) await end();
  }
  const header = ['daemon', 'without, MB', 'a workload, kB', 'at its peak, kB'];
  process.stdout.write(`${count} workloads; private memory\n\n${table(header, rows).join('\n')}\n`);
  if (options.json !== undefined) writeFileSync(options.json, JSON.stringify({ header, rows }));
}

if (process.env[marker] === undefined) {
  const command = ['--net', '--mount', '--kill-child', '--', process.execPath, ...process.argv.slice(1)];
  process.exitCode =
    spawnSync('unshare', command, { stdio: 'inherit', env: { ...process.env, [marker]: '1' } }).status ?? 1;
} else {
  const folder = mkdtempSync(join(tmpdir(), 'ambientd-bench-workloads-'));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
