// How the xDS source bears a large mesh: N workloads in one response, as istiod sends them, then one change each, then a
// second control plane that sends all of them anew. usage: npm run bench -- xds-push [--workloads 100000] [--changes 20]
// [--json FILE]; it measures under the daemon's V8 options. The pause is the longest of the event loop, as a
// connection in this process would feel it; busy is the main thread's own CPU time in one go, which other programs do not lengthen.
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createLogger } from '../../common/logger.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import { createSharedMesh } from '../../common/mesh/shared/shared-mesh.ts';
import type { WorkloadUid } from '../../common/mesh/workload.ts';
import { createMetricsRegistry } from '../../common/telemetry/metrics-registry.ts';
import { authorizationTypeUrl } from '../../common/xds/authorization-codec.ts';
import { createXdsSource } from '../../common/xds/xds-source.ts';
import { daemonNodeOptions } from '../../deploy/local/program-files.ts';
import { type ServedStream, startDeltaServer } from '../support/delta-server.ts';
import { aPolicy, aService, aWorkload, ports, vip } from '../support/mesh-objects.ts';
import { encodePolicy, encodeService, encodeWorkload, type SentResource } from '../support/wds-messages.ts';
import { median } from './process-figures.ts';

const { values: options } = parseArgs({
  // The word that chose this benchmark.
  allowPositionals: true,
  options: {
    workloads: { type: 'string', default: '100000' },
    changes: { type: 'string', default: '20' },
    json: { type: 'string' },
    /** Internal: which part of the run this process is. */
    part: { type: 'string', default: 'whole' },
  },
});
const workloadCount = Number(options.workloads);
const perService = 50;

type Order =
  | { readonly kind: 'change'; readonly index: number; readonly round: number }
  | { readonly kind: 'end-stream' }
  | { readonly kind: 'exit' };

const uidOf = (index: number): WorkloadUid => `Kubernetes//Pod/${namespaceOf(index)}/${nameOf(index)}` as WorkloadUid;
const namespaceOf = (index: number): string => `bench-${Math.floor(index / 1000)}`;
const appOf = (index: number): string => `app-${Math.floor(index / perService)}`;
const nameOf = (index: number): string => `${appOf(index)}-5d9f8c7b6-${index}`;
const hostOf = (index: number): string => `${appOf(index)}.${namespaceOf(index)}.svc.cluster.local`;

function workloadResource(index: number, revision: string, version: string): SentResource {
  const workload = aWorkload({
    ...{ uid: uidOf(index), name: nameOf(index), namespace: namespaceOf(index), node: `node-${index % 1000}` },
    addresses: [`10.${128 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`],
    ...{ serviceAccount: appOf(index), workloadName: appOf(index), canonicalName: appOf(index) },
    ...{ canonicalRevision: revision, locality: { region: 'eu-west-1', zone: 'eu-west-1a', subzone: '' } },
    ...{ authorizationPolicies: [`${namespaceOf(index)}/some`], network: 'network-1' },
    services: { [`${namespaceOf(index)}/${hostOf(index)}`]: ports(80, 8080, 9090, 9090) },
  });
  return { name: workload.uid, version, value: encodeWorkload(workload) };
}

function serviceResource(index: number, version: string): SentResource {
  const service = aService({
    ...{
      name: appOf(index),
      namespace: namespaceOf(index),
      hostname: hostOf(index),
      ports: ports(80, 8080, 9090, 9090),
    },
    addresses: [vip(`10.96.${(index >> 8) & 255}.${index & 255}`, 'network-1')],
  });
  return { name: `${service.namespace}/${service.hostname}`, version, value: encodeService(service) };
}

/** A control plane of its own, as far as its clients can tell: no stream knows of another. */
async function serve(): Promise<void> {
  const server = await startDeltaServer({ teardown() {} });
  const resources: SentResource[] = [];
  for (let index = 0; index < workloadCount; index++) {
    if (index % perService === 0) resources.push(serviceResource(index, '1'));
    resources.push(workloadResource(index, 'v1', '1'));
  }
  const policy = aPolicy({ name: 'some', match: { destinationPorts: [8080] } });
  const policies = [{ name: 'default/some', value: encodePolicy(policy) }];
  let stream: ServedStream | undefined;
  process.on('message', (order: Order) => {
    if (order.kind === 'exit') process.exit(0);
    if (order.kind === 'end-stream') return stream?.end();
    const { index, round } = order;
    stream?.send({ nonce: `change-${round}`, resources: [workloadResource(index, `v2-${round}`, `c${round}`)] });
  });
  process.send?.({ address: server.address, rootPem: server.rootPem });
  for (;;) {
    const next = await server.nextStream();
    await next.hasRequests(2);
    stream = next;
    next.send({ nonce: 'policies', typeUrl: authorizationTypeUrl, resources: policies });
    await next.answerTo('policies');
    next.send({ nonce: 'all', resources });
    await next.answerTo('all');
    process.send?.('acknowledged');
  }
}

async function measure(): Promise<Record<string, number>> {
  const server = fork(import.meta.filename, [...process.argv.slice(2), '--part', 'serve'], { serialization: 'json' });
  const [{ address, rootPem }] = (await once(server, 'message')) as [{ address: string; rootPem: string }];
  const mesh = createSharedMesh();
  const source = createXdsSource({
    controlPlane: { address, rootCa: { kind: 'literal', text: rootPem }, token: { kind: 'none' }, clusterId: 'c' },
    node: { instanceIp: '1.1.1.1', podName: 'zt', podNamespace: 'system', nodeName: 'node-0', metadata: {} },
    writer: mesh,
    recorder: createMetricsRegistry().recorder,
    log: createLogger({ format: 'plain', level: 'warn', scope: 'bench' }),
  });
  const pauses = watchPauses();
  const acknowledged = once(server, 'message');
  const first = await timed(async () => {
    await source.start();
    await acknowledged;
  });
  const firstPauses = pauses.take();
  const held = [...mesh.workloads()].length;
  if (held !== workloadCount) throw new Error(`${held} of ${workloadCount} workloads are in the mesh`);
  const memory = takeMemory();
  const changes: number[] = [];
  for (let round = 0; round < Number(options.changes); round++) changes.push(await changeOne(server, mesh, round));
  pauses.take();
  const again = once(server, 'message');
  tell(server, { kind: 'end-stream' });
  const second = await timed(async () => void (await again));
  const laterPauses = pauses.take();
  await source.close();
  tell(server, { kind: 'exit' });
  return {
    workloads: workloadCount,
    syncSeconds: round(first / 1_000),
    longestPauseMs: firstPauses.pauseMs,
    longestBusyMs: firstPauses.busyMs,
    ...memory,
    changeMedianMs: round(median(changes)),
    changeMaxMs: round(Math.max(...changes)),
    resyncSeconds: round(second / 1_000),
    longestPauseOfResyncMs: laterPauses.pauseMs,
    longestBusyOfResyncMs: laterPauses.busyMs,
  };
}

async function changeOne(server: ChildProcess, mesh: MeshView, number: number): Promise<number> {
  const index = Math.floor((number * workloadCount) / Number(options.changes));
  return await timed(async () => {
    const seen = new Promise<void>((resolve) => {
      const stop = mesh.onChange(() => {
        if (mesh.workloadByUid(uidOf(index))?.canonicalRevision !== `v2-${number}`) return;
        stop();
        resolve();
      });
    });
    tell(server, { kind: 'change', index, round: number });
    await seen;
  });
}

function tell(server: ChildProcess, order: Order): void {
  server.send(order);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  const tookMs = performance.now() - startedMs;
  // So that the last pause is seen as well.
  await setTimeout(20);
  return tookMs;
}

interface Pauses {
  /** Since the last time. */
  take(): { readonly pauseMs: number; readonly busyMs: number };
}

function watchPauses(): Pauses {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const cpuMs = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  };
  let last: number | undefined;
  let busiest = 0;
  setInterval(() => {
    const now = cpuMs();
    busiest = Math.max(busiest, now - (last ?? now));
    last = now;
  }, 1).unref();
  return {
    take() {
      const taken = { pauseMs: round(delay.max / 1e6), busyMs: round(busiest) };
      delay.reset();
      busiest = 0;
      return taken;
    },
  };
}

function takeMemory(): Record<string, number> {
  const peak = process.resourceUsage().maxRSS / 1024;
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  const megabytes = (bytes: number): number => Math.round(bytes / 1_048_576);
  return {
    heapMegabytes: megabytes(heapUsed),
    residentMegabytes: megabytes(rss),
    peakResidentMegabytes: Math.round(peak),
  };
}

function round(number: number): number {
  return Math.round(number * 10) / 10;
}

if (options.part === 'whole') {
  const own = [import.meta.filename, ...process.argv.slice(2), '--part', 'measure'];
  const words = [...daemonNodeOptions, ...own];
  process.exitCode = spawnSync(process.execPath, words, { stdio: 'inherit' }).status ?? 1;
} else if (options.part === 'serve') await serve();
else {
  const text = `${JSON.stringify(await measure(), null, 2)}\n`;
  process.stdout.write(text);
  if (options.json !== undefined) writeFileSync(options.json, text);
}
