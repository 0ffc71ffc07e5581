// How the Kubernetes source bears a large cluster: time and memory until N pods of a real API server are in the mesh, and how
// long one pod's change takes into it. usage: npm run bench -- kubernetes-sync [--pods 100000] [--changes 20] [--json FILE]
// The pods are written into etcd, as the API server would: through it they would take minutes. Everything ends with the run.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createLogger } from '../../common/logger.ts';
import { createMeshIndex } from '../../common/mesh/mesh-index.ts';
import type { WorkloadUid } from '../../common/mesh/workload.ts';
import { createKubernetesSource } from '../../common/sources/kubernetes/kubernetes-source.ts';
import { createMetricsRegistry } from '../../common/telemetry/metrics-registry.ts';
import { daemonNodeOptions } from '../../deploy/local/program-files.ts';
import { startLab } from '../interop/kubernetes-lab.ts';
import { median } from './process-figures.ts';

const { values: options } = parseArgs({
  // The word that chose this benchmark.
  allowPositionals: true,
  options: {
    pods: { type: 'string', default: '100000' },
    changes: { type: 'string', default: '20' },
    json: { type: 'string' },
    /** Internal: which part of the run this process is. */
    part: { type: 'string', default: 'whole' },
    kubeconfig: { type: 'string', default: '' },
  },
});
const podCount = Number(options.pods);
const podsPerNamespace = 1000;
const podsPerService = 50;
const etcdPort = 23379;

interface Figures {
  readonly pods: number;
  readonly syncSeconds: number;
  readonly longestPauseMs: number;
  readonly heapMegabytes: number;
  readonly residentMegabytes: number;
  readonly peakResidentMegabytes: number;
  readonly changeMedianMs: number;
  readonly changeMaxMs: number;
}

const namespaceOf = (index: number): string => `bench-${Math.floor(index / podsPerNamespace)}`;
const appOf = (index: number): string => `app-${Math.floor((index % podsPerNamespace) / podsPerService)}`;
const ipOf = (index: number): string => `10.${128 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;

function podJson(index: number): unknown {
  const created = '2026-01-01T00:00:00Z';
  const container = { name: 'app', image: 'app:1', ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }] };
  const environment = Array.from({ length: 12 }, (_, at) => ({
    name: `VARIABLE_${at}`,
    value: `value of variable ${at}`,
  }));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `pod-${index}`,
      namespace: namespaceOf(index),
      uid: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`,
      creationTimestamp: created,
      labels: { app: appOf(index), version: 'v1', 'pod-template-hash': '5d9f8c7b6' },
      annotations: { 'ambient.istio.io/redirection': 'enabled' },
      generateName: `${appOf(index)}-5d9f8c7b6-`,
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${appOf(index)}-5d9f8c7b6`, uid: 'u', controller: true },
      ],
    },
    spec: {
      nodeName: `node-${index % 1000}`,
      serviceAccountName: appOf(index),
      restartPolicy: 'Always',
      dnsPolicy: 'ClusterFirst',
      containers: [{ ...container, env: environment, terminationMessagePath: '/dev/log', imagePullPolicy: 'Always' }],
    },
    status: {
      phase: 'Running',
      podIP: ipOf(index),
      podIPs: [{ ip: ipOf(index) }],
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({
        type,
        status: 'True',
        lastTransitionTime: created,
      })),
    },
  };
}

function serviceJson(namespace: string, app: string): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: app, namespace, uid: `${namespace}-${app}`, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      selector: { app },
      ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
      clusterIP: 'None',
    },
  };
}

/** Many keys a transaction. */
async function writeToEtcd(values: readonly (readonly [key: string, value: unknown])[]): Promise<void> {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const success = values.map(([key, value]) => ({
    requestPut: { key: base64(key), value: base64(JSON.stringify(value)) },
  }));
  await new Promise<void>((settle, fail) => {
    const asked = request({ port: etcdPort, host: '127.0.0.1', path: '/v3/kv/txn', method: 'POST' }, (answer) => {
      answer.resume();
      answer.on('end', () => (answer.statusCode === 200 ? settle() : fail(new Error(`etcd: ${answer.statusCode}`))));
    });
    asked.on('error', fail);
    asked.end(JSON.stringify({ success }));
  });
}

async function fillCluster(): Promise<void> {
  const values: (readonly [string, unknown])[] = [];
  const flush = async (least: number): Promise<void> => {
    while (values.length >= least && values.length > 0) await writeToEtcd(values.splice(0, 100));
  };
  for (let index = 0; index < podCount; index += 1) {
    const namespace = namespaceOf(index);
    if (index % podsPerNamespace === 0) {
      const metadata = { name: namespace, uid: namespace, labels: { 'istio.io/dataplane-mode': 'ambient' } };
      values.push([`/registry/namespaces/${namespace}`, { apiVersion: 'v1', kind: 'Namespace', metadata }]);
    }
    if (index % podsPerService === 0) {
      const service = serviceJson(namespace, appOf(index));
      values.push([`/registry/services/specs/${namespace}/${appOf(index)}`, service]);
    }
    values.push([`/registry/pods/${namespace}/pod-${index}`, podJson(index)]);
    await flush(100);
  }
  await flush(1);
}

async function measure(kubeconfig: string): Promise<Figures> {
  const mesh = createMeshIndex();
  const source = createKubernetesSource({
    access: { kind: 'kubeconfig', path: kubeconfig },
    writer: mesh,
    config: {},
    log: createLogger({ format: 'plain', level: 'warn', scope: 'bench' }),
    recorder: createMetricsRegistry().recorder,
  });
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const startedMs = performance.now();
  await source.start();
  const syncSeconds = (performance.now() - startedMs) / 1_000;
  // So that the last pause is seen as well.
  await setTimeout(20);
  delay.disable();
  const present = [...mesh.workloads()].filter(({ namespace }) => namespace.startsWith('bench-')).length;
  if (present !== podCount) throw new Error(`${present} of ${podCount} pods are in the mesh`);
  const peak = process.resourceUsage().maxRSS / 1024;
  globalThis.gc?.();
  const memory = process.memoryUsage();
  const changes: number[] = [];
  for (let round = 0; round < Number(options.changes); round += 1) changes.push(await changeOne(mesh, round));
  await source.close();
  const megabytes = (bytes: number): number => Math.round(bytes / 1_048_576);
  return {
    pods: podCount,
    syncSeconds: Math.round(syncSeconds * 10) / 10,
    longestPauseMs: Math.round(delay.max / 1e6),
    heapMegabytes: megabytes(memory.heapUsed),
    residentMegabytes: megabytes(memory.rss),
    peakResidentMegabytes: Math.round(peak),
    changeMedianMs: Math.round(median(changes) * 10) / 10,
    changeMaxMs: Math.round(Math.max(...changes) * 10) / 10,
  };
}

/** From the write into etcd, which the API server only passes on, to the mesh. */
async function changeOne(mesh: ReturnType<typeof createMeshIndex>, round: number): Promise<number> {
  const index = Math.floor((round * podCount) / Number(options.changes));
  const uid = `Kubernetes//Pod/${namespaceOf(index)}/pod-${index}` as WorkloadUid;
  const changed = podJson(index) as { metadata: { annotations: Record<string, string> } };
  changed.metadata.annotations = {};
  const seen = new Promise<void>((settle) => {
    const stop = mesh.onChange(() => {
      if (mesh.workloadByUid(uid)?.tunnelProtocol !== 'none') return;
      stop();
      settle();
    });
  });
  const startedMs = performance.now();
  await writeToEtcd([[`/registry/pods/${namespaceOf(index)}/pod-${index}`, changed]]);
  await seen;
  const tookMs = performance.now() - startedMs;
  await setTimeout(50);
  return tookMs;
}

async function runInside(): Promise<void> {
  spawnSync('ip', ['link', 'set', 'lo', 'up']);
  const ends: (() => unknown)[] = [];
  try {
    const cluster = startLab({ teardown: (end) => void ends.push(end) });
    // They would take the machine for themselves at the sight of so many pods.
    for (const name of ['fake-kubelet', 'kube-controller-manager']) {
      process.kill(Number(readFileSync(join(cluster.folder, 'run', `${name}.pid`), 'utf8').split(' ')[0]), 'SIGTERM');
    }
    await fillCluster();
    const child = [
      '--expose-gc',
      ...daemonNodeOptions,
      import.meta.filename,
      '--part',
      'measure',
      '--pods',
      options.pods,
    ];
    const words = [...child, '--changes', options.changes, '--kubeconfig', join(cluster.folder, 'kubeconfig')];
    const ended = spawnSync(process.execPath, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    if (ended.status !== 0) throw new Error(`the measuring process ended with ${ended.status}`);
    process.stdout.write(ended.stdout);
    if (options.json !== undefined) writeFileSync(options.json, ended.stdout);
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

const namespaces = ['--user', '--map-root-user', '--net', '--mount', '--kill-child'];
if (options.part === 'whole') {
  const command = [...namespaces, '--', process.execPath, ...process.argv.slice(1), '--part', 'inside'];
  process.exitCode = spawnSync('unshare', command, { stdio: 'inherit' }).status ?? 1;
} else if (options.part === 'inside') {
  await runInside();
} else {
  process.stdout.write(`${JSON.stringify(await measure(options.kubeconfig), null, 2)}\n`);
}
