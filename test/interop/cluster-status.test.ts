// Statuses in a real Kubernetes without istiod: two controllers with least rights tell objects what istiod told them, field by field,
// take back what holds no more, leave the conditions of others alone, and are quiet when all is told.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { defaultMeshSettings } from '../../common/sources/derive/mesh-settings.ts';
import { type KubernetesObject, objectKey, parseKubernetesObject } from '../../common/sources/kubernetes-object.ts';
import { createMetricsRegistry } from '../../common/telemetry/metrics-registry.ts';
import { loadKubeConfig } from '../../deploy/controller/cluster-client.ts';
import { presentConditions } from '../../deploy/controller/conditions/condition.ts';
import { createStatusKeeper } from '../../deploy/controller/conditions/status-keeper.ts';
import { collectLog } from '../support/collected-log.ts';
import { inUserNamespace, whatIsMissing } from '../support/in-user-namespace.ts';
import { startLab, whyNoLab } from './kubernetes-lab.ts';

const root = join(import.meta.dirname, '../..');
const lab = join(process.env['AMBIENTD_SHARED'] ?? join(root, '../shared'), 'lab');
const cases = [
  '24-ingress-use-waypoint',
  '29-waypoint-service-entry',
  '31-service-entry-dns',
  '46-authz-not-for-ztunnel',
];
const types = ['istio.io/WaypointBound', 'istio.io/WaypointMissing', 'ZtunnelAccepted', 'WaypointAccepted'];
const kinds = ['Service', 'ServiceEntry', 'WorkloadEntry', 'AuthorizationPolicy'];
const toldKinds = [
  'services',
  'serviceentries.networking.istio.io',
  'workloadentries.networking.istio.io',
  'authorizationpolicies.security.istio.io',
];
const gateways = 'gateways.gateway.networking.k8s.io';

t.setTimeout(170_000);
const inputs = cases.map((name) => join(lab, 'fixtures', name));
const lack = whyNoLab() ?? whatIsMissing(['ip']) ?? (inputs.every(existsSync) ? undefined : `no recordings in ${lab}`);
if (lack !== undefined) t.test('statuses in a cluster', { skip: lack }, async () => {});
else if (await inUserNamespace(t, import.meta.filename, ['ip'])) {
  spawnSync('ip', ['link', 'set', 'lo', 'up']);
  await runTests();
}

async function runTests(): Promise<void> {
  const cluster = startLab(t);
  cluster.kubectl('create', 'namespace', 'istio-system');
  cluster.kubectl('apply', '-f', join(root, 'deploy/cluster/controller-rbac.yaml'));
  const crds = ['gateway-api-crds.yaml', 'istio-crds.yaml'].flatMap((file) => ['-f', join(lab, 'manifests', file)]);
  cluster.kubectl('apply', '--server-side', ...crds);
  cluster.kubectl('wait', '--for', 'condition=Established', '--timeout', '60s', ...crds);
  const path = await cluster.kubeconfigOf('ambientd-controller', 'istio-system');
  const registry = createMetricsRegistry();
  const { log, lines } = collectLog();
  const keepers = [1, 2].map(() =>
    createStatusKeeper({
      access: { kind: 'kubeconfig', path },
      kubeConfig: loadKubeConfig(path),
      settings: defaultMeshSettings,
      recorder: registry.recorder,
      log,
    }),
  );
  for (const keeper of keepers) {
    t.teardown(() => keeper.close());
    await keeper.start();
  }
  /** All objects that are told something, by key. */
  const readAll = (): ReadonlyMap<string, KubernetesObject> => {
    const list: { items: unknown[] } = JSON.parse(cluster.kubectl('get', toldKinds.join(','), '-A', '-o', 'json'));
    return new Map(
      list.items.map((item) => {
        const object = parseKubernetesObject(item, undefined);
        return [objectKey(object), object];
      }),
    );
  };
  const told = (object: KubernetesObject) =>
    presentConditions(object, types).map(({ lastTransitionTime: _, ...condition }) => condition);

  await t.test('objects are told what istiod told them', async (t) => {
    const recorded = cases.flatMap((name) => {
      const list: { items: unknown[] } = JSON.parse(readFileSync(join(lab, 'fixtures', name, 'objects.json'), 'utf8'));
      return list.items.map((item) => parseKubernetesObject(item, undefined));
    });
    cluster.lab('apply', ...inputs.map((folder) => join(folder, 'input.yaml')));
    for (const { kind, metadata, status } of recorded) {
      const addresses = kind === 'Gateway' ? (status as { addresses?: unknown } | undefined)?.addresses : undefined;
      if (addresses === undefined) continue;
      const patch = JSON.stringify({ status: { addresses } });
      const words = ['--subresource=status', '--type=merge', '-p', patch];
      cluster.kubectl('-n', metadata.namespace, 'patch', gateways, metadata.name, ...words);
    }
    const expected = recorded
      .filter(
        ({ kind, metadata: { labels } }) => kinds.includes(kind) && labels['gateway.istio.io/managed'] === undefined,
      )
      .map((object) => [object, told(object)] as const)
      // istiod leaves one of a policy out now and then.
      .filter(([{ kind }, conditions]) => conditions.length > 0 || kind !== 'AuthorizationPolicy');
    let now = readAll();
    const conditionsNow = (object: KubernetesObject) => {
      const present = now.get(objectKey(object));
      return present && told(present);
    };
    const isAllTold = () => expected.every(([object, wanted]) => isDeepStrictEqual(conditionsNow(object), wanted));
    for (let tries = 0; tries < 60 && !isAllTold(); tries += 1) {
      await setTimeout(500);
      now = readAll();
    }
    for (const [object, wanted] of expected) t.strictSame(conditionsNow(object), wanted, objectKey(object));
    t.ok(expected.length > 20);
  });

  await t.test('what holds no more is taken back; the conditions of others stay', async (t) => {
    const [namespace, name] = ['wp-se', 'manual'];
    const mine = {
      type: 'example.com/Mine',
      status: 'True',
      reason: 'R',
      message: 'm',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    const patch = JSON.stringify([{ op: 'add', path: '/status/conditions/-', value: mine }]);
    cluster.kubectl('-n', namespace, 'patch', 'service', name, '--subresource=status', '--type=json', '-p', patch);
    cluster.kubectl('-n', namespace, 'label', 'service', name, 'istio.io/use-waypoint=none', '--overwrite');
    const types = () => {
      const service = JSON.parse(cluster.kubectl('-n', namespace, 'get', 'service', name, '-o', 'json'));
      const { conditions = [] }: { conditions?: { type: string }[] } = service.status;
      return conditions.map(({ type }) => type);
    };
    for (let tries = 0; tries < 60 && types().length > 1; tries += 1) await setTimeout(250);
    t.same(types(), ['example.com/Mine']);
  });

  await t.test('when all is told, nothing is written', async (t) => {
    const written = async () => {
      const { body } = await registry.exposition(undefined);
      return /ambientd_controller_status_writes_total\{outcome="written"\} (\d+)/.exec(body)?.[1];
    };
    await setTimeout(2_500);
    const before = await written();
    t.ok(Number(before) > 0);
    await setTimeout(3_000);
    t.equal(await written(), before);
    t.same(
      lines.filter(({ msg }) => msg === 'synchronization failed'),
      [],
      'and nothing was refused',
    );
  });

  await t.test('what may not be written is said once for all objects, and told when it may be', async (t) => {
    const isRefused = () => lines.find(({ msg }) => msg === 'synchronization failed');
    const names = ['first-service', 'second-service', 'third-service'];
    cluster.kubectl('delete', 'clusterrolebinding', 'ambientd-controller-status');
    for (const name of names) cluster.kubectl('-n', 'wp-se', 'create', 'service', 'clusterip', name, '--tcp=80');
    cluster.kubectl('-n', 'wp-se', 'label', 'services', ...names, 'istio.io/use-waypoint=nobody');
    for (let tries = 0; tries < 80 && isRefused() === undefined; tries += 1) await setTimeout(250);
    t.match(isRefused(), { error: { code: 'NOT_PERMITTED' } });
    cluster.kubectl('apply', '-f', join(root, 'deploy/cluster/controller-rbac.yaml'));
    const all = () => [...readAll().values()].filter(({ metadata }) => names.includes(metadata.name));
    const isTold = () => all().every((object) => told(object).length === 1);
    for (let tries = 0; tries < 120 && !isTold(); tries += 1) await setTimeout(250);
    t.ok(isTold());
    t.equal(all().length, names.length);
  });
}
