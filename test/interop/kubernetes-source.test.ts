// The mesh read from a real Kubernetes API server without istiod, with the least rights: it is what is derived from a dump of
// the API, follows every change, survives outages of server and network, and takes up kinds that come later.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { createMeshIndex, type MeshIndex } from '../../common/mesh/mesh-index.ts';
import type { MeshSnapshot } from '../../common/mesh/mesh-source.ts';
import { deriveMesh } from '../../common/sources/derive/derive-mesh.ts';
import { defaultMeshSettings } from '../../common/sources/derive/mesh-settings.ts';
import { wdsJson } from '../../common/sources/derive/wds-json.ts';
import { createKubernetesSource } from '../../common/sources/kubernetes/kubernetes-source.ts';
import { mixerKinds, type WatchedKind, waypointKinds } from '../../common/sources/kubernetes/watched-kinds.ts';
import type { KubernetesObject } from '../../common/sources/kubernetes-object.ts';
import { parseManifest } from '../../common/sources/manifests/manifest-parser.ts';
import { readResources } from '../../common/sources/resources.ts';
import { createMetricsRegistry } from '../../common/telemetry/metrics-registry.ts';
import { parseMeshTelemetry } from '../../waypoint/resources/mesh-telemetry.ts';
import { readMixerRules } from '../../ztunnel/mixer/mixer-resources.ts';
import { collectLog } from '../support/collected-log.ts';
import { inUserNamespace, whatIsMissing } from '../support/in-user-namespace.ts';
import { createSeverableLink } from '../support/severable-link.ts';
import { startLab, whyNoLab } from './kubernetes-lab.ts';

const root = join(import.meta.dirname, '../..');
const lab = join(process.env['AMBIENTD_SHARED'] ?? join(root, '../shared'), 'lab');
const inputs = [
  ...['06-pod-phases', '11-service-ports', '30-service-entry-static', '34-workload-entry'],
  ...[
    '34-workload-entry',
    '42-authz-selector',
    '43-authz-root-namespace',
    '51-peer-auth-workload',
    '52-peer-auth-mesh',
  ],
].map((name) => join(lab, 'fixtures', name, 'input.yaml'));

t.setTimeout(170_000);
const lack = whyNoLab() ?? whatIsMissing(['ip']) ?? (existsSync(inputs[0] ?? '') ? undefined : `no inputs in ${lab}`);
if (lack !== undefined) t.test('the mesh from the Kubernetes API', { skip: lack }, async () => {});
else if (await inUserNamespace(t, import.meta.filename, ['ip'])) {
  spawnSync('ip', ['link', 'set', 'lo', 'up']);
  await runTests();
}

async function runTests(): Promise<void> {
  const cluster = startLab(t);
  cluster.kubectl('create', 'namespace', 'istio-system');
  cluster.kubectl('create', 'serviceaccount', 'ztunnel', '-n', 'istio-system');
  cluster.kubectl('apply', '-f', join(root, 'deploy/cluster/mesh-rbac.yaml'));
  const kubeconfig = await cluster.kubeconfigOf('ztunnel', 'istio-system');
  const text = readFileSync(kubeconfig, 'utf8');
  const apiPort = /127\.0\.0\.1:(\d+)/.exec(text)?.[1] ?? '';
  const link = await createSeverableLink(Number(apiPort));
  t.teardown(() => link.close());
  writeFileSync(kubeconfig, text.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${link.port}`));

  const mesh = createMeshIndex();
  const registry = createMetricsRegistry();
  const { log, lines } = collectLog();
  let objects: readonly KubernetesObject[] = [];
  const source = createKubernetesSource({
    access: { kind: 'kubeconfig', path: kubeconfig },
    writer: mesh,
    config: {},
    furtherKinds: [...waypointKinds, ...mixerKinds],
    onObjects: (all) => {
      objects = all;
    },
    log,
    recorder: registry.recorder,
    times: { absentRetryMs: 500 },
  });
  t.teardown(() => source.close());

  const isLikeDump = async (): Promise<boolean> => {
    const { objects: dumped } = parseManifest(dump(cluster.kubectl), 'dump.json');
    const { resources } = readResources(dumped, defaultMeshSettings.systemNamespace);
    return comparable(deriveMesh(resources, defaultMeshSettings).snapshot) === comparable(contentsOf(mesh));
  };

  await t.test('it is known whole while custom kinds are not served yet', async (t) => {
    await source.start();
    t.ok(mesh.serviceByHostname('kubernetes.default.svc.cluster.local', undefined));
    t.ok(await isLikeDump());
    t.same(objects, []);
  });

  await t.test('kinds that come later are taken up', async (t) => {
    const crds = ['gateway-api-crds.yaml', 'istio-crds.yaml'].flatMap((file) => ['-f', join(lab, 'manifests', file)]);
    cluster.kubectl('apply', '--server-side', ...crds);
    cluster.kubectl('wait', '--for', 'condition=Established', '--timeout', '60s', ...crds);
    cluster.lab('apply', ...inputs);
    await until(isLikeDump);
    t.ok([...mesh.policies()].length > 5, 'policies are there');
    t.ok([...mesh.workloads()].length > 20, 'workloads are there');
  });

  await t.test('objects that a waypoint reads itself are handed on as they change', async (t) => {
    const telemetry = (name: string) =>
      `{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: ${name}}, spec: {metrics: [{providers: [{name: prometheus}]}]}}`;
    cluster.apply(telemetry('one'));
    const telemetries = () => objects.filter(({ kind }) => kind === 'Telemetry').map(({ metadata }) => metadata.name);
    await until(() => telemetries().includes('one'));
    cluster.kubectl('delete', 'telemetry', 'one');
    await until(() => telemetries().length === 0);
    t.ok(objects.some(({ kind }) => kind === 'AuthorizationPolicy'));
    t.notOk(
      objects.some(({ kind }) => kind === 'Pod'),
      'without the many that it does not read',
    );
  });

  await t.test("the mesh's configuration is handed on too, and no other ConfigMap", async (t) => {
    const configMaps = () => objects.filter(({ kind }) => kind === 'ConfigMap');
    const configMap = (name: string, text: string) =>
      JSON.stringify({
        ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'istio-system' } },
        data: { mesh: text },
      });
    cluster.apply(configMap('other', ''), configMap('istio', 'accessLogFile: /dev/stdout'));
    await until(() => configMaps().length === 1);
    const [found] = configMaps();
    t.match(found, { metadata: { name: 'istio' }, raw: { data: { mesh: 'accessLogFile: /dev/stdout' } } });
    t.match(found && parseMeshTelemetry(found), { mesh: { legacyLog: { path: '/dev/stdout' } }, problems: [] });
    cluster.kubectl('delete', 'configmap', 'istio', '-n', 'istio-system');
    await until(() => configMaps().length === 0);
  });

  await t.test("Mixer's manifests are handed on where their kinds are served", async (t) => {
    cluster.apply(...mixerKinds.map(definitionOf));
    await until(() => cluster.kubectl('api-resources', '--api-group=config.istio.io', '-o', 'name').includes('rules'));
    cluster.kubectl('apply', '-f', join(lab, '../manifests/mixer-tcp-metrics.yaml'));
    await until(() => readMixerRules(objects).rules.length === 1);
    t.match(readMixerRules(objects), {
      rules: [{ name: 'mongoprom', metrics: [{ definition: { name: 'istio_mongo_received_bytes' } }, {}] }],
      problems: [],
    });
  });

  await t.test('what is created, changed and deleted is followed', async (t) => {
    const status = () =>
      mesh.workloadByName({ name: 'moving', namespace: 'default', serviceAccount: 'default' }, undefined)?.status;
    cluster.lab('pod', 'moving', '--ip', '10.9.99.1', '--not-ready');
    await until(() => status() === 'unhealthy');
    cluster.kubectl('annotate', 'pod', 'moving', 'lab/ready=true', '--overwrite');
    await until(() => status() === 'healthy');
    cluster.kubectl('delete', 'pod', 'moving', '--wait=false');
    await until(() => status() === undefined);
    await until(isLikeDump);
    t.pass();
  });

  await t.test(
    'the last good state serves through an outage; what was deleted out of sight is noticed after it',
    async (t) => {
      const isDisconnected = (state: 0 | 1) => async () =>
        (await scrape(registry)).includes(`ambientd_kubernetes_disconnected{kind="Pod"} ${state}`);
      const names = () => [...mesh.policies()].map(({ name }) => name).sort();
      const before = comparable(contentsOf(mesh));
      const left = names().filter((name) => name !== 'z-web');
      let missing = 0;
      link.sever();
      await until(isDisconnected(1));
      cluster.kubectl('delete', 'authorizationpolicy', 'z-web', '-n', 'ap-select');
      cluster.lab('pod', 'unseen', '--ip', '10.9.99.2');
      // A server that starts anew remembers no history: the place where we were is "too old".
      await cluster.stopApiServer();
      t.equal(comparable(contentsOf(mesh)), before, 'still served');
      link.join();
      const unsubscribe = mesh.onChange(() => {
        const now = names();
        missing += left.filter((name) => !now.includes(name)).length;
      });
      cluster.startAgain();
      await until(isLikeDump);
      await until(isDisconnected(0));
      unsubscribe();
      t.same(names(), left);
      t.equal(missing, 0, 'no other policy was missing for a moment');
      const page = await scrape(registry);
      t.match(page, /ambientd_kubernetes_outage_seconds_total\{kind="Pod"\} [1-9]/);
      t.match(page, /ambientd_kubernetes_lists_total\{kind="Pod"\} [2-9]/, 'the history was lost indeed');
    },
  );

  await t.test('in a pod, the token of its account is read again when it has been refused', async (t) => {
    // A /run of this mount namespace alone.
    t.equal(spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', '/run']).status, 0);
    const account = '/run/secrets/kubernetes.io/serviceaccount';
    mkdirSync(account, { recursive: true });
    copyFileSync(join(cluster.folder, 'pki/ca.crt'), join(account, 'ca.crt'));
    writeFileSync(join(account, 'token'), cluster.expiredToken('ztunnel', 'istio-system'));
    process.env['KUBERNETES_SERVICE_HOST'] = '127.0.0.1';
    process.env['KUBERNETES_SERVICE_PORT'] = apiPort;
    const inPod = createMeshIndex();
    const said = collectLog();
    const source = createKubernetesSource({
      access: { kind: 'in-cluster' },
      writer: inPod,
      config: {},
      log: said.log,
      recorder: createMetricsRegistry().recorder,
    });
    t.teardown(() => source.close());
    const started = source.start();
    await until(() => said.lines.some(({ reason }) => /^401 /.test(String(reason))));
    t.equal([...inPod.services()].length, 0);
    const fresh = / user: \{token: ([^}]+)\}/.exec(text)?.[1] ?? '';
    writeFileSync(join(account, 'token'), fresh);
    await started;
    t.equal(comparable(contentsOf(inPod)), comparable(contentsOf(mesh)));
  });

  await t.test('an outage is told once a kind, with its end', async (t) => {
    const told = lines.filter(({ msg, kind }) => kind === 'Pod' && /reached again|out of reach/.test(String(msg)));
    t.ok(told.length >= 2);
    t.ok(told.length < 20);
    t.match(told.at(-1), { msg: /reached again/, outageMs: Number });
    t.same(
      lines.filter(({ level }) => level === 'error'),
      [],
    );
  });
}

/** As Istio 1.4 brought it, without its schema. */
function definitionOf({ kind, versions }: WatchedKind): string {
  const plural = versions[0]?.path.split('/').at(-1);
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  return JSON.stringify({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.config.istio.io` },
    spec: {
      ...{ group: 'config.istio.io', scope: 'Namespaced', names: { kind, plural, singular: kind } },
      versions: [{ name: 'v1alpha2', served: true, storage: true, schema }],
    },
  });
}

async function scrape(registry: ReturnType<typeof createMetricsRegistry>): Promise<string> {
  return (await registry.exposition(undefined)).body;
}

function dump(kubectl: (...words: readonly string[]) => string): string {
  const kinds = [
    'namespaces,nodes,pods,services,configmaps,endpointslices.discovery.k8s.io',
    ...['gateways', 'gatewayclasses'].map((name) => `${name}.gateway.networking.k8s.io`),
    ...['authorizationpolicies', 'peerauthentications'].map((name) => `${name}.security.istio.io`),
    ...['serviceentries', 'workloadentries'].map((name) => `${name}.networking.istio.io`),
  ];
  const served = kubectl('api-resources', '-o', 'name').split('\n');
  const wanted = kinds.filter((name) => name.includes(',') || served.includes(name));
  return kubectl('get', wanted.join(','), '-A', '-o', 'json');
}

function contentsOf(mesh: MeshIndex): MeshSnapshot {
  return { workloads: [...mesh.workloads()], services: [...mesh.services()], policies: [...mesh.policies()] };
}

function comparable(snapshot: MeshSnapshot): string {
  const json = wdsJson(snapshot);
  const lines = [...json['istio.workload.Address'], ...json['istio.security.Authorization']].map(({ name, resource }) =>
    JSON.stringify([name, sorted(resource)]),
  );
  return lines.sort().join('\n');
}

/** Orders of members mean nothing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, member]): [string, unknown] => [key, sorted(member)]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await setTimeout(50);
}
