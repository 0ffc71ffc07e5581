// The mesh from a real Kubernetes API server through changes and accidents: each change touches what it changes and nothing else,
// and no workload is without its policies in between; the API server is killed and its history compacted, a token is revoked, kinds
// come and go, objects are poisoned. Times are shorter than in a cluster, what happens is the same.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { policyKey } from '../../common/mesh/authorization-policy.ts';
import { createMeshIndex, type MeshIndex } from '../../common/mesh/mesh-index.ts';
import type { MeshUpdate, MeshWriter } from '../../common/mesh/mesh-source.ts';
import { serviceKey } from '../../common/mesh/service.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { KubernetesAccess } from '../../common/sources/kubernetes/kubernetes-access.ts';
import { createKubernetesSource } from '../../common/sources/kubernetes/kubernetes-source.ts';
import { createMetricsRegistry } from '../../common/telemetry/metrics-registry.ts';
import { collectLog } from '../support/collected-log.ts';
import { effectivePolicies } from '../support/effective-policies.ts';
import { inUserNamespace, whatIsMissing } from '../support/in-user-namespace.ts';
import { type KubernetesLab, startLab, whyNoLab } from './kubernetes-lab.ts';

const root = join(import.meta.dirname, '../..');
const lab = join(process.env['AMBIENTD_SHARED'] ?? join(root, '../shared'), 'lab');
const input = join(lab, 'fixtures/80-updates/input.yaml');
const etcdPort = 23379;
const gateway = 'gateway.gateway.networking.k8s.io';
const authorizations = '/registry/security.istio.io/authorizationpolicies';
const accountFolder = '/run/secrets/kubernetes.io/serviceaccount';
const audience = 'https://kubernetes.default.svc.cluster.local';
const names = {
  web: 'Kubernetes//Pod/moves/web',
  second: 'Kubernetes//Pod/moves/second',
  service: 'moves/web.moves.svc.cluster.local',
  gate: 'moves/gate',
} as const;
const gate = (namespace: string, selector = 'selector: { matchLabels: { app: web } }, ') =>
  `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: gate, namespace: moves}, spec: {${selector}rules: [{from: [{source: {namespaces: [${namespace}]}}]}]}}`;

t.setTimeout(400_000);
const lack = whyNoLab() ?? whatIsMissing(['ip', 'mount']) ?? (existsSync(input) ? undefined : `no inputs in ${lab}`);
if (lack !== undefined) t.test('changes and accidents of a Kubernetes API', { skip: lack }, async () => {});
else if (await inUserNamespace(t, import.meta.filename, ['ip'])) {
  spawnSync('ip', ['link', 'set', 'lo', 'up']);
  await runTests();
}

async function runTests(): Promise<void> {
  const cluster = startLab(t);
  cluster.kubectl('create', 'namespace', 'istio-system');
  cluster.kubectl('create', 'serviceaccount', 'ztunnel', '-n', 'istio-system');
  cluster.kubectl('apply', '-f', join(root, 'deploy/cluster/mesh-rbac.yaml'));
  const crds = ['gateway-api-crds.yaml', 'istio-crds.yaml'].flatMap((file) => ['-f', join(lab, 'manifests', file)]);
  cluster.kubectl('apply', '--server-side', ...crds);
  cluster.kubectl('wait', '--for', 'condition=Established', '--timeout', '60s', ...crds);
  const kubeconfig = await cluster.kubeconfigOf('ztunnel', 'istio-system');
  const followed = follow({ kind: 'kubeconfig', path: kubeconfig });
  await followed.source.start();

  await t.test('each change touches what it changes, and opens no gap in policy', async (t) => {
    await touchOnlyWhatChanges(t, cluster, followed);
  });
  await t.test('poisoned objects are closed or told, and the others count', async (t) => {
    await surviveContents(t, cluster, followed);
  });
  await t.test('kinds that vanish take their objects with them when that lasts, and may come back', async (t) => {
    await surviveKinds(t, cluster, followed);
  });
  await t.test('a killed API server, a compacted history and a revoked token', async (t) => {
    await surviveOutage(t, cluster, followed);
  });
}

interface Followed {
  readonly mesh: MeshIndex;
  readonly source: ReturnType<typeof createKubernetesSource>;
  readonly said: ReturnType<typeof collectLog>;
  /** Keys of what has been written since the last call. */
  takeTouched(): readonly string[];
  metric(text: RegExp): Promise<number>;
}

function follow(access: KubernetesAccess): Followed {
  const mesh = createMeshIndex();
  const registry = createMetricsRegistry();
  const said = collectLog();
  const touched = new Set<string>();
  const writer: MeshWriter = {
    apply(update) {
      for (const key of keysIn(update)) touched.add(key);
      mesh.apply(update);
    },
    replace: (snapshot) => mesh.replace(snapshot),
  };
  const source = createKubernetesSource({
    access,
    writer,
    config: {},
    log: said.log,
    recorder: registry.recorder,
    times: { absentRetryMs: 300, absenceGraceMs: 1_500 },
  });
  t.teardown(() => source.close());
  return {
    mesh,
    source,
    said,
    takeTouched() {
      const keys = [...touched].sort();
      touched.clear();
      return keys;
    },
    async metric(text) {
      const { body } = await registry.exposition(undefined);
      return Number(body.split('\n').flatMap((line) => (text.test(line) ? (line.split(' ').at(-1) ?? []) : []))[0]);
    },
  };
}

function keysIn(update: MeshUpdate): readonly string[] {
  return [
    ...update.workloads.map(({ uid }) => uid),
    ...update.services.map(serviceKey),
    ...update.policies.map(policyKey),
    ...update.removedWorkloads,
    ...update.removedServices,
    ...update.removedPolicies,
  ];
}

async function touchOnlyWhatChanges(t: Test, cluster: KubernetesLab, { mesh, takeTouched }: Followed): Promise<void> {
  const [before = '', pod = ''] = readFileSync(input, 'utf8').split(/^# lab: (?:wait|run.*)\n---$/m);
  cluster.apply(before);
  const pods = () => [...mesh.workloads()].filter(({ namespace }) => namespace === 'moves');
  const second = (): Workload | undefined => pods().find(({ name }) => name === 'second');
  const policy = () => [...mesh.policies()].find(({ name }) => name === 'gate');
  const service = () => mesh.serviceByHostname('web.moves.svc.cluster.local', undefined);
  await until(() => pods().some(({ tunnelProtocol }) => tunnelProtocol === 'hbone') && service() !== undefined);
  const status = JSON.stringify({
    status: { addresses: [{ type: 'Hostname', value: 'waypoint.moves.svc.cluster.local' }] },
  });
  const patch = ['--subresource=status', '--type=merge', '-p', status];
  const inMoves = (...words: readonly string[]) => cluster.kubectl('-n', 'moves', ...words);
  const steps: readonly (readonly [string, () => unknown, () => boolean, readonly (keyof typeof names)[]])[] = [
    ['a waypoint that nobody uses', () => inMoves('patch', gateway, 'waypoint', ...patch), () => true, []],
    [
      'a pod comes',
      () => cluster.apply(pod.split('# lab')[0] ?? ''),
      () => second()?.tunnelProtocol === 'hbone',
      ['second'],
    ],
    [
      'it becomes ready',
      () => inMoves('annotate', 'pod', 'second', 'lab/ready=true', '--overwrite'),
      () => second()?.status === 'healthy',
      ['second'],
    ],
    [
      'it is relabelled',
      () => inMoves('label', 'pod', 'second', 'app=other', '--overwrite'),
      () => second()?.services.size === 0,
      ['second'],
    ],
    [
      'and back',
      () => inMoves('label', 'pod', 'second', 'app=web', '--overwrite'),
      () => second()?.services.size === 1,
      ['second'],
    ],
    ['a policy comes', () => cluster.apply(gate('a')), () => policy() !== undefined, ['second', 'web', 'gate']],
    ['it changes', () => cluster.apply(gate('b')), () => JSON.stringify(policy()).includes('"b"'), ['gate']],
    [
      'it is for the whole namespace',
      () =>
        inMoves(
          'patch',
          'authorizationpolicy',
          'gate',
          '--type=json',
          '-p',
          '[{"op":"remove","path":"/spec/selector"}]',
        ),
      () => policy()?.scope === 'namespace',
      ['second', 'web', 'gate'],
    ],
    [
      'and for its workloads again',
      () => cluster.apply(gate('b')),
      () => policy()?.scope === 'workload-selector',
      ['second', 'web', 'gate'],
    ],
    [
      'it goes',
      () => inMoves('delete', 'authorizationpolicy', 'gate'),
      () => policy() === undefined,
      ['second', 'web', 'gate'],
    ],
    [
      'the service changes',
      () => inMoves('patch', 'service', 'web', '--type=merge', '-p', '{"spec":{"trafficDistribution":"PreferClose"}}'),
      () => service()?.loadBalancing !== undefined,
      ['service'],
    ],
    [
      'the namespace gets a waypoint',
      () => cluster.kubectl('label', 'namespace', 'moves', 'istio.io/use-waypoint=waypoint'),
      () => service()?.waypoint !== undefined,
      ['service'],
    ],
    ['a pod goes', () => inMoves('delete', 'pod', 'second', '--wait=false'), () => second() === undefined, ['second']],
    [
      'the namespace leaves the mesh',
      () => cluster.kubectl('label', 'namespace', 'moves', 'istio.io/dataplane-mode-'),
      () => pods().every(({ tunnelProtocol }) => tunnelProtocol === 'none'),
      ['web'],
    ],
    [
      'the waypoint goes',
      () => inMoves('delete', gateway, 'waypoint'),
      () => service()?.waypoint === undefined,
      ['service'],
    ],
  ];
  await setTimeout(500);
  takeTouched();
  for (const [name, change, isDone, touched] of steps) {
    const seen = [effectivePolicies(mesh)];
    const unsubscribe = mesh.onChange(() => seen.push(effectivePolicies(mesh)));
    change();
    await until(isDone);
    // What else it touched would come now.
    await setTimeout(300);
    unsubscribe();
    t.same(takeTouched(), touched.map((key) => names[key]).sort(), name);
    const [first, last] = [seen[0], seen.at(-1)];
    const between = seen.flatMap((policies) => [...policies]);
    const others = between.filter(([uid, value]) => ![first?.get(uid), last?.get(uid)].includes(value));
    t.same(others, [], `${name}: policies from before or from after at every moment`);
  }
}

async function surviveContents(t: Test, cluster: KubernetesLab, { mesh, said }: Followed): Promise<void> {
  const policies = () => new Map([...mesh.policies()].map((policy) => [policyKey(policy), policy]));
  const metadata = { name: 'nonsense', namespace: 'moves', uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z' };
  const kind = { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy' };
  const poisoned = { ...kind, metadata, spec: { selector: 7, action: ['DENY'], rules: 'all' } };
  // The API server would not take it; who upgrades a cluster finds such things in it.
  await etcd('kv/put', { key: base64(`${authorizations}/moves/nonsense`), value: base64(JSON.stringify(poisoned)) });
  await until(() => policies().has('moves/nonsense'));
  t.match(policies().get('moves/nonsense'), { action: 'deny', scope: 'namespace', rules: [[]] }, 'closed');
  const told = () => said.lines.filter(({ msg }) => /moves\/nonsense.*spec\.selector/.test(String(msg)));
  t.equal(told().length, 1, 'told once');

  const blocks = Array.from({ length: 60_000 }, (_, index) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`);
  const huge = { ...kind, metadata: { name: 'huge', namespace: 'moves' } };
  const spec = { action: 'DENY', rules: [{ from: [{ source: { ipBlocks: blocks } }] }] };
  const file = join(cluster.folder, 'huge.json');
  writeFileSync(file, JSON.stringify({ ...huge, spec }));
  cluster.kubectl('create', '-f', file);
  cluster.apply(gate('c'));
  await until(() => policies().has('moves/huge') && policies().has('moves/gate'));
  t.equal(policies().get('moves/huge')?.rules[0]?.[0]?.[0]?.sourceIps?.length, blocks.length, 'the large one counts');
  await etcd('kv/deleterange', { key: base64(`${authorizations}/moves/nonsense`) });
  cluster.kubectl('-n', 'moves', 'delete', 'authorizationpolicy', 'huge');
  await until(() => !policies().has('moves/nonsense') && !policies().has('moves/huge'));
  t.ok(said.lines.some(({ msg }) => msg === 'problem mended'));
  t.ok(policies().has('moves/gate'));
}

async function surviveKinds(t: Test, cluster: KubernetesLab, { mesh }: Followed): Promise<void> {
  const entry =
    '{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: out, namespace: moves}, spec: {hosts: [out.example], addresses: [203.0.113.7], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 192.0.2.7}]}}';
  const isThere = () => mesh.serviceByHostname('out.example', undefined) !== undefined;
  cluster.apply(entry);
  await until(isThere);
  const crd = 'customresourcedefinitions.apiextensions.k8s.io/serviceentries.networking.istio.io';
  const definition = cluster.kubectl('get', crd, '-o', 'json');
  cluster.kubectl('delete', crd);
  await until(() => !isThere());
  t.ok(mesh.serviceByHostname('web.moves.svc.cluster.local', undefined), 'the others stay');
  const { apiVersion, kind, metadata, spec } = JSON.parse(definition);
  cluster.apply(JSON.stringify({ apiVersion, kind, metadata: { name: metadata.name, labels: metadata.labels }, spec }));
  cluster.kubectl('wait', '--for', 'condition=Established', '--timeout', '60s', crd);
  cluster.apply(entry);
  await until(isThere);
}

async function surviveOutage(t: Test, cluster: KubernetesLab, { mesh, metric, said }: Followed): Promise<void> {
  const inPod = await followInPod(cluster);
  const service = mesh.serviceByHostname('web.moves.svc.cluster.local', undefined);
  if (service === undefined) throw new Error('no service');
  const lists = await metric(/^ambientd_kubernetes_lists_total\{kind="Pod"\}/);
  // Its token ends with the pod that it is bound to.
  cluster.kubectl('-n', 'istio-system', 'delete', 'pod', 'holder', '--wait=false');
  cluster.lab('pod', 'leaving', '--ip', '10.9.99.1');
  const names = () => [...mesh.workloads()].map(({ name }) => name);
  await until(() => names().includes('leaving') && !names().includes('holder'));

  await cluster.stopApiServer();
  const stoppedMs = performance.now();
  await etcd('kv/deleterange', { key: base64('/registry/pods/default/leaving') });
  const { header } = (await etcd('kv/range', { key: base64('/') })) as { header: { revision: string } };
  await etcd('kv/compaction', { revision: header.revision, physical: true });
  await until(async () => (await metric(/^ambientd_kubernetes_disconnected\{kind="Pod"\}/)) === 1);
  for (let second = 0; second < 60; second += 1) {
    t.equal(mesh.endpointsOf(service).length, 1, 'the last good state serves');
    await setTimeout(1_000);
  }
  cluster.startAgain();
  const outageSeconds = (performance.now() - stoppedMs) / 1_000;
  await until(() => !names().includes('leaving'));
  cluster.lab('pod', 'coming', '--ip', '10.9.99.2');
  await until(() => names().includes('coming'));
  await until(async () => (await metric(/^ambientd_kubernetes_disconnected\{kind="Pod"\}/)) === 0);
  t.ok((await metric(/^ambientd_kubernetes_lists_total\{kind="Pod"\}/)) > lists, 'what was compacted is listed anew');
  const counted = await metric(/^ambientd_kubernetes_outage_seconds_total\{kind="Pod"\}/);
  t.ok(counted > 1 && counted < outageSeconds + 30, `an outage of ${counted} s is counted`);
  t.ok((await metric(/^ambientd_kubernetes_update_seconds_count/)) > 10, 'the lag of changes is told');

  await until(() => inPod.said.lines.some(({ reason }) => /^401 /.test(String(reason))));
  t.ok(inPod.mesh.serviceByHostname('web.moves.svc.cluster.local', undefined), 'it serves on without a valid token');
  writeFileSync(`${accountFolder}/token`, await cluster.token('istio-system', 'ztunnel', { audience }));
  await until(() => [...inPod.mesh.workloads()].some(({ name }) => name === 'coming'));
  await until(async () => (await inPod.metric(/^ambientd_kubernetes_disconnected\{kind="Pod"\}/)) === 0);
  t.same(
    [...said.lines, ...inPod.said.lines].filter(({ level, msg }) => level === 'error' && !/nonsense/.test(String(msg))),
    [],
  );
}

/** As in a pod named `holder`: with the files that kubelet gives it. */
async function followInPod(cluster: KubernetesLab): Promise<Followed> {
  cluster.lab('pod', 'holder', '--namespace', 'istio-system', '--sa', 'ztunnel', '--ip', '10.9.99.9');
  // A /run of this mount namespace alone.
  if (spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', '/run']).status !== 0) throw new Error('cannot mount');
  mkdirSync(accountFolder, { recursive: true });
  copyFileSync(join(cluster.folder, 'pki/ca.crt'), join(accountFolder, 'ca.crt'));
  const token = await cluster.token('istio-system', 'ztunnel', { pod: 'holder', audience });
  writeFileSync(join(accountFolder, 'token'), token);
  process.env['KUBERNETES_SERVICE_HOST'] = '127.0.0.1';
  process.env['KUBERNETES_SERVICE_PORT'] =
    /127\.0\.0\.1:(\d+)/.exec(readFileSync(join(cluster.folder, 'kubeconfig'), 'utf8'))?.[1] ?? '';
  const followed = follow({ kind: 'in-cluster' });
  await followed.source.start();
  return followed;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

async function etcd(path: string, body: unknown): Promise<unknown> {
  return new Promise((settle, fail) => {
    const asked = request({ port: etcdPort, host: '127.0.0.1', path: `/v3/${path}`, method: 'POST' }, (answer) => {
      json(answer).then(
        (value) => (answer.statusCode === 200 ? settle(value) : fail(new Error(JSON.stringify(value)))),
        fail,
      );
    });
    asked.on('error', fail);
    asked.end(JSON.stringify(body));
  });
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await setTimeout(50);
}
