// The tunnel benchmark: the same load through Istio's ztunnel and ours, each with one daemon on either side of a link, in one
// interleaved run. steady1000 is the load at which Istio gives its ztunnel 0.06 vCPU and 12 MB (take --seconds 20 or more). usage:
// npm run bench -- tunnel [--rounds N] [--seconds S] [--works A,B] [--configs A,B: direct, istio, ours, unlogged] [--idle-connections (what one costs in memory)] [--system-calls (counts them; speeds then mean nothing)]
// [--checkout NAME=FOLDER[?NODE-OPTIONS] (another one of ours, or a built one)] [--node-options TEXT] [--json FILE] [--keep FOLDER (logs, profiles)]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { TokenHolder } from '../../common/ca/authorize-request.ts';
import { authorizeRequest } from '../../common/ca/authorize-request.ts';
import { createCaServer } from '../../common/ca/ca-server.ts';
import { createCertificateAuthority } from '../../common/identity/certificate-authority.ts';
import { createLogger } from '../../common/logger.ts';
import { table } from '../../deploy/local/mesh-status.ts';
import { daemonNodeOptions } from '../../deploy/local/program-files.ts';
import { istioResources, kubernetesObjects, type MeshPod, mesh, trustDomain } from '../interop/two-pod-mesh.ts';
import { unpackPeers } from '../support/peers.ts';
import { ip } from '../support/pod-network.ts';
import { buildProgram } from './build-program.ts';
import { countSystemCalls, describeCalls } from './count-system-calls-process.ts';
import { idleConnectionKilobytes } from './idle-connections.ts';
import { cpuSeconds, median, pssMegabytes } from './process-figures.ts';
import { compileLoadGenerator, type PairKind, type ProxyPair, startPair } from './proxy-pair.ts';
import { readFigures, type Work, works } from './tunnel-works.ts';

const { values: options } = parseArgs({
  // The word that chose this benchmark.
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1.5' },
    works: { type: 'string', default: Object.keys(works).join(',') },
    configs: { type: 'string', default: 'direct,istio,ours' },
    checkout: { type: 'string', multiple: true, default: [] },
    'node-options': { type: 'string', default: daemonNodeOptions.join(' ') },
    json: { type: 'string' },
    keep: { type: 'string' },
    'idle-connections': { type: 'boolean', default: false },
    'system-calls': { type: 'boolean', default: false },
  },
});

interface Sample {
  readonly config: string;
  readonly work: string;
  readonly round: number;
  readonly value: number;
  readonly p99Us: number | undefined;
  /** Of both daemons, in µs for each unit of the work. */
  readonly cpuUs: number;
  /** Of each daemon, client's side first; of a steady load only. */
  readonly daemons: readonly DaemonUse[];
}

interface DaemonUse {
  /** Cores that it kept busy: seconds of CPU time in a second. */
  readonly vcpu: number;
  /** At the end of the work, in MB of 2^20 bytes. */
  readonly pss: number;
}

const marker = 'AMBIENTD_BENCH_NAMESPACE';
const caPort = 15_912;
const shared = process.env['AMBIENTD_SHARED'] ?? join(import.meta.dirname, '../../../shared');

/** In namespaces of its own, where the benchmark may make others and nothing outside is touched. */
function enterNamespaces(): number {
  const asRoot = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const own = [process.execPath, ...process.execArgv, import.meta.filename, ...process.argv.slice(2)];
  const command = [...asRoot, '--net', '--mount', '--kill-child', '--', ...own];
  return spawnSync('unshare', command, { stdio: 'inherit', env: { ...process.env, [marker]: '1' } }).status ?? 1;
}

async function startCa(folder: string) {
  const authority = await createCertificateAuthority({ trustDomain });
  const tokenOf = (pod: MeshPod): string => `token-of-${pod.name}`;
  const tokens = new Map<string, TokenHolder>(
    [mesh.theirs, mesh.ours].map((pod) => [tokenOf(pod), { kind: 'workload', identity: pod.identity }]),
  );
  const server = createCaServer({
    authority,
    authorize: (ask) => authorizeRequest(tokens, ask),
    tls: await authority.issueServerCertificate(['127.0.0.1']),
    listen: { ip: ip('127.0.0.1'), port: 0 },
    log: createLogger({ format: 'plain', level: 'error', scope: 'ca' }),
  });
  await server.start();
  const rootFile = join(folder, 'root.pem');
  writeFileSync(rootFile, authority.rootsPem);
  const environmentFor = (pod: MeshPod) => ({
    CA_ADDRESS: `https://127.0.0.1:${caPort}`,
    CA_ROOT_CA: rootFile,
    AUTH_TOKEN: tokenOf(pod),
  });
  return { server, environmentFor };
}

function kindsOf(folder: string, istioProgram: string, certificateOf: (pod: MeshPod) => Record<string, string>) {
  const resources = join(folder, 'istio-resources.yaml');
  writeFileSync(resources, istioResources(mesh));
  const objects = join(folder, 'objects.yaml');
  writeFileSync(objects, kubernetesObjects(mesh));
  const common = (pod: MeshPod) => ({
    PROXY_MODE: 'dedicated',
    PROXY_WORKLOAD_INFO: `${pod.namespace}/${pod.name}/${pod.serviceAccount}`,
    NODE_NAME: pod.node,
    PACKET_MARK: '1337',
    RUST_LOG: 'info',
    ISTIO_META_DNS_CAPTURE: 'false',
    ...certificateOf(pod),
  });
  const istio: PairKind = {
    kind: 'proxied',
    program: (pod) => ({
      command: [istioProgram],
      env: { ...common(pod), XDS_ADDRESS: '', LOCAL_XDS_PATH: resources },
    }),
  };
  const ours = (checkout: string, nodeOptions: string, env = {}): PairKind => ({
    kind: 'proxied',
    program: (pod) => ({
      command: [process.execPath, ...nodeOptions.split(' ').filter(Boolean), mainOf(checkout)],
      env: { ...common(pod), AMBIENTD_MANIFESTS: objects, ...env },
    }),
  });
  const kinds: Record<string, PairKind> = { direct: { kind: 'direct' }, istio };
  const built = buildProgram(join(folder, 'built'));
  kinds['ours'] = ours(built, options['node-options']);
  kinds['unlogged'] = ours(built, options['node-options'], { RUST_LOG: 'error,access=off' });
  for (const named of options.checkout) {
    const [, name = '', folder = '', nodeOptions] = /^([^=]*)=([^?]*)(?:\?(.*))?$/.exec(named) ?? [];
    kinds[name] = ours(folder, nodeOptions ?? options['node-options']);
  }
  return kinds;
}

/** Of a checkout, or of a folder with the built program: that one carries no compiler. */
function mainOf(folder: string): string {
  const built = join(folder, 'ztunnel/main.js');
  return existsSync(built) ? built : join(folder, 'ztunnel/main.ts');
}

async function runLoad(pair: ProxyPair, work: Work): Promise<string> {
  const seconds = Number(options.seconds);
  if (work.pace === 'steady') return await pair.steadyLoad(work.args(seconds));
  if (work.beside === undefined) return await pair.load(work.args(seconds));
  const beside = pair.load(work.beside(seconds));
  await setTimeout(500);
  const [answer] = await Promise.all([pair.load(work.args(seconds)), beside]);
  return answer;
}

async function measure(pair: ProxyPair, config: string, name: string, round: number): Promise<Sample> {
  const work = works[name];
  if (work === undefined) throw new Error(`unknown work ${name}: one of ${Object.keys(works).join(', ')}`);
  const usedBefore = pair.pids.map((pid) => cpuSeconds([pid]));
  const load = () => runLoad(pair, work);
  if (options['system-calls'] && pair.pids.length > 0) {
    const { result, calls } = await countSystemCalls(pair.pids, load);
    process.stdout.write(`${config} ${name}: ${describeCalls(calls, readFigures(work, result).units)}\n`);
  }
  const { value, p99Us, units, seconds } = readFigures(work, await load());
  const used = pair.pids.map((pid, index) => cpuSeconds([pid]) - (usedBefore[index] ?? 0));
  const cpuUs = pair.pids.length === 0 ? 0 : (used.reduce((a, b) => a + b) * 1e6) / units;
  const daemons =
    seconds === undefined
      ? []
      : pair.pids.map((pid, index) => ({ vcpu: (used[index] ?? 0) / seconds, pss: pssMegabytes(pid) }));
  return { config, work: name, round, value, p99Us, cpuUs, daemons };
}

type UnitOf = (work: Work | undefined) => string;

function summarize(samples: readonly Sample[], configs: readonly string[]): readonly string[] {
  const header = configs.flatMap((config) => [config, ...(config === 'istio' || config === 'direct' ? [] : ['×'])]);
  const number = (value: number): string => (Number.isNaN(value) ? '-' : Number(value.toPrecision(3)).toString());
  const names = options.works.split(',');
  const rowsOf = (what: string, of: (sample: Sample) => number | undefined, unitOf: UnitOf, among = names) =>
    among.map((name) => {
      const cells = configs.flatMap((config) => {
        const own = samples.filter((sample) => sample.work === name && sample.config === config);
        const values = own.map((sample) => of(sample) ?? Number.NaN);
        const cell = number(median(values));
        if (config === 'istio' || config === 'direct') return [cell];
        const ratios = own.map((sample) => {
          const peer = samples.find((s) => s.work === name && s.config === 'istio' && s.round === sample.round);
          return (of(sample) ?? Number.NaN) / ((peer && of(peer)) ?? Number.NaN);
        });
        return [cell, number(median(ratios))];
      });
      return [name, what, unitOf(works[name]), ...cells];
    });
  const steady = names.filter((name) => works[name]?.pace === 'steady');
  const rowsOfDaemon = (side: string, index: number) => [
    ...rowsOf(
      side,
      ({ daemons }) => daemons[index]?.vcpu,
      () => 'vCPU',
      steady,
    ),
    ...rowsOf(
      side,
      ({ daemons }) => daemons[index]?.pss,
      () => 'MB',
      steady,
    ),
  ];
  return table(
    ['work', '', 'unit', ...header],
    [
      ...rowsOf(
        'median',
        (sample) => sample.value,
        (work) => work?.unit ?? '',
      ),
      ...rowsOf(
        'p99',
        (sample) => sample.p99Us,
        () => 'µs',
      ),
      ...rowsOf(
        'CPU',
        (sample) => sample.cpuUs,
        (work) => `µs/${work?.per}`,
      ),
      ...rowsOfDaemon("client's", 0),
      ...rowsOfDaemon("server's", 1),
    ],
  );
}

async function run(folder: string): Promise<void> {
  spawnSync('ip', ['link', 'set', 'lo', 'up']);
  const loadGenerator = compileLoadGenerator(join(shared, 'lab/bench/lg.c'), join(folder, 'lg'));
  const atEnd: (() => unknown)[] = [];
  const peers = unpackPeers({ teardown: (act) => void atEnd.push(act) }, 'ztunnel');
  const ca = await startCa(folder);
  const around = { loadGenerator, folder, ca: ca.server.address, caPort };
  const kinds = kindsOf(folder, join(peers, 'ztunnel'), ca.environmentFor);
  const pairs = new Map<string, ProxyPair>();
  try {
    for (const config of options.configs.split(',')) {
      const kind = kinds[config];
      if (kind === undefined) throw new Error(`unknown configuration ${config}: one of ${Object.keys(kinds)}`);
      pairs.set(config, await startPair(config, kind, around));
    }
    const memory = (): string[] =>
      [...pairs].flatMap(([config, { pids }]) =>
        pids.length === 0 ? [] : [`${config} ${pids.map((pid) => pssMegabytes(pid).toFixed(1)).join(' + ')}`],
      );
    const idle = memory();
    const samples: Sample[] = [];
    const configs = [...pairs.keys()];
    for (let round = 0; round < Number(options.rounds); round += 1) {
      for (const work of options.works.split(',')) {
        // Who goes first alternates, so that a drift of the machine's speed favours nobody.
        for (const config of round % 2 === 0 ? configs : configs.toReversed()) {
          const pair = pairs.get(config);
          if (pair !== undefined) samples.push(await measure(pair, config, work, round));
        }
      }
    }
    const afterLoad = memory();
    const ofIdle: string[] = [];
    for (const [config, pair] of options['idle-connections'] ? pairs : []) {
      if (pair.pids.length === 0) continue;
      const kilobytes = await idleConnectionKilobytes(pair);
      ofIdle.push(`${config} ${kilobytes.map((of) => of.toFixed(1)).join(' + ')}`);
    }
    const lines = [
      `${options.rounds} interleaved rounds, ${cpus().length} cores shared by load, application and proxies; medians; × = median of the rounds' ratios to istio; CPU of both daemons`,
      '',
      ...summarize(samples, configs),
      '',
      `memory (PSS, MB, client + server side): idle ${idle.join(', ')}; after the load ${afterLoad.join(', ')}`,
      ...(ofIdle.length === 0 ? [] : [`an idle connection (kB, client + server side): ${ofIdle.join(', ')}`]),
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
    if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(samples));
  } finally {
    for (const pair of pairs.values()) await pair.stop();
    await ca.server.close();
    for (const act of atEnd) await act();
  }
}

if (process.env[marker] === undefined) {
  process.exitCode = enterNamespaces();
} else {
  const folder = options.keep ?? mkdtempSync(join(tmpdir(), 'ambientd-bench-'));
  if (!existsSync(folder)) mkdirSync(folder);
  try {
    await run(folder);
  } finally {
    if (options.keep === undefined) rmSync(folder, { recursive: true, force: true });
  }
  process.exit();
}
