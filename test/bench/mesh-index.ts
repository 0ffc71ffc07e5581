// The mesh in memory: what workloads cost when several threads read them, how long look-ups take there, and how long a change
// takes to be seen in every thread. usage: npm run bench -- mesh-index [--workloads N] [--threads N] [--json FILE]

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { nothing } from '../../common/mesh/mesh-source.ts';
import type { Service } from '../../common/mesh/service.ts';
import { serviceKey } from '../../common/mesh/service.ts';
import { type MeshMemory, meshMemoryBytes } from '../../common/mesh/shared/mesh-memory.ts';
import { createSharedMesh, openSharedMesh, type SharedMesh } from '../../common/mesh/shared/shared-mesh.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import { type IpAddress, ipFromBytes } from '../../common/net/address.ts';
import { table } from '../../deploy/local/mesh-status.ts';
import { daemonNodeOptions } from '../../deploy/local/program-files.ts';
import { aService, aWorkload, ports } from '../support/mesh-objects.ts';
import { median, pssMegabytes } from './process-figures.ts';

const perService = 20;
const perNamespace = 1_000;
const perNode = 100;
/** Destinations of one node's connections: what is warm. */
const warmCount = 500;
interface Figures {
  readonly workloadByAddressUs: number;
  readonly serviceWithEndpointsUs: number;
  readonly workloadByNameUs: number;
  readonly coldUs: number;
}

type Question =
  | { readonly kind: 'measure'; readonly workloads: number }
  | { readonly kind: 'watch'; readonly node: string };

function ipOf(number: number, first = 10): IpAddress {
  return ipFromBytes(Uint8Array.of(first, number >> 16, (number >> 8) & 255, number & 255)) as IpAddress;
}

function serviceOf(number: number): Service {
  const namespace = `namespace-${Math.floor((number * perService) / perNamespace)}`;
  return aService({ name: `service-${number}`, namespace, addresses: [{ network: 'main', ip: ipOf(number, 11) }] });
}

function workloadOf(number: number, node = `gke-production-pool-${Math.floor(number / perNode)}`): Workload {
  const service = serviceOf(Math.floor(number / perService));
  const app = service.name;
  const name = `${app}-7c9d8f6b5-${number.toString(36).padStart(5, 'x')}`;
  const { namespace } = service;
  return aWorkload({
    name,
    namespace,
    uid: `Kubernetes//Pod/${namespace}/${name}`,
    addresses: [ipOf(number)],
    network: 'main',
    serviceAccount: app,
    node,
    canonicalName: app,
    workloadName: app,
    services: { [serviceKey(service)]: ports(80, 8080, 443, 8443) },
    locality: { region: 'europe-west1', zone: `europe-west1-${'abc'[number % 3]}`, subzone: '' },
  });
}

/** Microseconds a call. */
function timeOf(calls: number, call: (number: number) => unknown): number {
  const startedMs = performance.now();
  for (let number = 0; number < calls; number++)
    if (call(number) === undefined) throw new Error(`no answer to ${number}`);
  return ((performance.now() - startedMs) * 1_000) / calls;
}

/** A reading thread. */
function read(memory: MeshMemory): void {
  const mesh = openSharedMesh(memory);
  const measure = (workloads: number): Figures => {
    const warm = Array.from({ length: warmCount }, (_, number) => Math.floor((number * workloads) / warmCount));
    const ips = warm.map((number) => ipOf(number));
    const services = warm.map((number) => ipOf(Math.floor(number / perService), 11));
    const names = warm.map((number) => workloadOf(number));
    const nth = <T>(of: readonly T[], number: number): T => of[number % of.length] as T;
    const byAddress = (number: number): unknown => mesh.workloadByAddress('main', nth(ips, number));
    const withEndpoints = (number: number): unknown => {
      const service = mesh.serviceByAddress('main', nth(services, number), 'namespace-0');
      return service && mesh.endpointsOf(service)[0];
    };
    const byName = (number: number): unknown => mesh.workloadByName(nth(names, number), undefined);
    for (const call of [byAddress, withEndpoints, byName]) timeOf(20_000, call);
    return {
      workloadByAddressUs: timeOf(200_000, byAddress),
      serviceWithEndpointsUs: timeOf(200_000, withEndpoints),
      workloadByNameUs: timeOf(200_000, byName),
      // A step that comes back to the same place late.
      coldUs: timeOf(20_000, (number) => mesh.workloadByAddress('main', ipOf((number * 7_919) % workloads))),
    };
  };
  const watch = (node: string): void => {
    if (mesh.workloadByUid(workloadOf(0).uid)?.node === node) parentPort?.postMessage('seen');
    else setImmediate(watch, node);
  };
  parentPort?.on('message', (question: Question) => {
    if (question.kind === 'watch') watch(question.node);
    else parentPort?.postMessage(measure(question.workloads));
  });
  parentPort?.postMessage('open');
}

async function askAll<T>(threads: readonly Worker[], question: Question): Promise<readonly T[]> {
  const answers = threads.map(async (thread): Promise<T> => (await once(thread, 'message'))[0]);
  for (const thread of threads) thread.postMessage(question);
  return await Promise.all(answers);
}

function fill(mesh: SharedMesh, count: number): void {
  const services = Array.from({ length: Math.ceil(count / perService) }, (_, number) => serviceOf(number));
  mesh.apply({ ...nothing, services });
  // As many at a time as the xDS client applies.
  for (let from = 0; from < count; from += 64) {
    const workloads = Array.from({ length: Math.min(64, count - from) }, (_, number) => workloadOf(from + number));
    mesh.apply({ ...nothing, workloads });
  }
}

/** Milliseconds until every thread has seen a change, one figure for each change. */
async function measureChanges(mesh: SharedMesh, threads: readonly Worker[]): Promise<readonly number[]> {
  const tookMs: number[] = [];
  for (let round = 0; round < 20; round++) {
    const node = `node-of-round-${round}`;
    const seen = askAll(threads, { kind: 'watch', node });
    const changedMs = performance.now();
    mesh.apply({ ...nothing, workloads: [workloadOf(0, node)] });
    await seen;
    tookMs.push(performance.now() - changedMs);
  }
  return tookMs;
}

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    // The word that chose this benchmark.
    allowPositionals: true,
    options: {
      workloads: { type: 'string', default: '200000' },
      threads: { type: 'string', default: '4' },
      json: { type: 'string' },
    },
  });
  const [count, threadCount] = [Number(options.workloads), Number(options.threads)];
  const mesh = createSharedMesh();
  const start = (): Worker => new Worker(import.meta.filename, { workerData: mesh.memory });
  const threads = Array.from({ length: threadCount }, start);
  await Promise.all(threads.map((thread) => once(thread, 'message')));
  const before = pssMegabytes(process.pid);
  const startedMs = performance.now();
  fill(mesh, count);
  const fillUs = ((performance.now() - startedMs) * 1_000) / count;
  const filled = pssMegabytes(process.pid);
  // One after the other: look-ups are measured, not the sharing of processors.
  const figures: Figures[] = [];
  for (const thread of threads)
    figures.push(...(await askAll<Figures>([thread], { kind: 'measure', workloads: count })));
  const seenMs = await measureChanges(mesh, threads);
  const after = pssMegabytes(process.pid);
  const middle = (of: keyof Figures): number => median(figures.map((each) => each[of]));
  const result = {
    workloads: count,
    threads: threadCount,
    emptyMegabytes: Math.round(before),
    filledMegabytes: Math.round(filled),
    afterLookUpsMegabytes: Math.round(after),
    processBytesPerWorkload: Math.round(((filled - before) * 1_048_576) / count),
    sharedBytesPerWorkload: Math.round(meshMemoryBytes(mesh.memory) / count),
    fillUs,
    workloadByAddressUs: middle('workloadByAddressUs'),
    serviceWithEndpointsUs: middle('serviceWithEndpointsUs'),
    workloadByNameUs: middle('workloadByNameUs'),
    coldUs: middle('coldUs'),
    seenInAllMs: median(seenMs),
    seenInAllMaxMs: Math.max(...seenMs),
  };
  const text = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(2));
  const rows = Object.entries(result).map(([name, value]) => [name, text(value)]);
  process.stdout.write(`${table(['figure', 'value'], rows).join('\n')}\n`);
  if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(result));
  for (const thread of threads) await thread.terminate();
}

if (!isMainThread) read(workerData);
else if (process.execArgv.length > 0) await main();
else
  process.exitCode =
    spawnSync(process.execPath, [...daemonNodeOptions, ...process.argv.slice(1)], { stdio: 'inherit' }).status ?? 1;
