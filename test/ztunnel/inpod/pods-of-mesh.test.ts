// Explicit mode: which workloads become pods of this process, and how they follow the mesh.
import { once } from 'node:events';
import { createServer } from 'node:net';
import t from 'tap';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { findExplicitPods } from '../../../ztunnel/inpod/explicit-pods.ts';
import { createPodFleet } from '../../../ztunnel/inpod/pod-fleet.ts';
import { createPodProxies } from '../../../ztunnel/inpod/pod-proxies.ts';
import { createPodProxy } from '../../../ztunnel/inpod/pod-proxy.ts';
import { createMeshPods } from '../../../ztunnel/inpod/pods-of-mesh.ts';
import { createProxyCounters } from '../../../ztunnel/inpod/proxy-metrics.ts';
import { collectLog } from '../../support/collected-log.ts';
import { startExplicitMesh } from '../../support/explicit-mesh.ts';
import { at, aWorkload, meshOf } from '../../support/mesh-objects.ts';

t.test(
  'enrolled workloads of the node with an address are pods, those that speak HBONE themselves are not',
  async (t) => {
    const here = { node: 'here', addresses: ['127.75.1.1'] };
    const mesh = meshOf({
      workloads: [
        aWorkload({ name: 'yes', ...here }),
        aWorkload({ name: 'elsewhere', ...here, node: 'there' }),
        aWorkload({ name: 'plain', ...here, tunnelProtocol: 'none' }),
        aWorkload({ name: 'waypoint', ...here, nativeTunnel: true }),
        aWorkload({ name: 'host', ...here, networkMode: 'host-network' }),
        aWorkload({ name: 'starting', node: 'here' }),
      ],
    });
    t.same(
      [...findExplicitPods(mesh, 'here').values()],
      [{ name: { name: 'yes', namespace: 'default', serviceAccount: 'yes' }, address: at('127.75.1.1') }],
    );
    t.equal(findExplicitPods(mesh, undefined).size, 2);
  },
);

t.test('pods come and go with the mesh', async (t) => {
  const one = aWorkload({ name: 'one', addresses: ['127.75.2.1'] });
  const mesh = await startExplicitMesh({ workloads: [one] });
  t.teardown(() => mesh.close());
  const served = (): string[] => mesh.fleet.list().map(({ name }) => name.name);
  const until = async (names: readonly string[]): Promise<void> => {
    while (served().sort().join() !== names.join()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  t.same(served(), ['one']);
  mesh.mesh.replace({
    workloads: [one, aWorkload({ name: 'two', addresses: ['127.75.2.2'] })],
    services: [],
    policies: [],
  });
  await until(['one', 'two']);
  mesh.mesh.replace({ workloads: [aWorkload({ name: 'two', addresses: ['127.75.2.2'] })], services: [], policies: [] });
  await until(['two']);
  t.same(await mesh.samples('workload_manager_active_proxy_count'), [[{}, 1]]);
  t.same(await mesh.samples('workload_manager_proxies_started_total'), [[{}, 2]]);
  t.same(await mesh.samples('workload_manager_proxies_stopped_total'), [[{}, 1]]);
});

t.test('a pod whose address is taken is pending, and served once it is free', async (t) => {
  const holder = createServer().listen(15_008, '127.75.3.1');
  await once(holder, 'listening');
  const { log, lines } = collectLog();
  const metrics = createMetricsRegistry();
  const readiness: string[] = [];
  const counters = createProxyCounters(metrics.recorder);
  const late = aWorkload({ name: 'late', addresses: ['127.75.3.1'] });
  const { services, close } = await startExplicitMesh({});
  const shard = createPodProxies({
    createProxy: (pod) => createPodProxy(services, pod),
    sockets: { sharing: 'alone', ipv6: 'on' },
  });
  const fleet = createPodFleet({ shards: [shard], counters, log });
  const pods = createMeshPods({
    mesh: meshOf({ workloads: [late] }),
    nodeName: undefined,
    fleet,
    counters,
    log,
    retryMs: 5,
    onReadiness: (state) => readiness.push(state),
  });
  t.teardown(async () => {
    await pods.close();
    await fleet.close();
    await close();
  });
  await pods.start();
  t.same(readiness, ['waiting']);
  t.match(lines[0], { level: 'error', msg: 'pod cannot be served yet', address: '127.75.3.1' });
  t.match((await metrics.exposition(undefined)).body, /^workload_manager_pending_proxy_count 1$/m);
  holder.close();
  while (readiness.at(-1) !== 'ready') await new Promise((resolve) => setTimeout(resolve, 5));
  t.equal(fleet.list().length, 1);
});
