// The example podinfo in a cluster, with or without istiod, as a user brings it there: the manifest that users have, the example's own, and
// ours of deploy/cluster. The containers of its pods run as processes; traffic comes from the pod `curl`.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Test } from 'tap';
import { type AmbientCluster, ambientd, createAmbientCluster } from './ambient-cluster.ts';
import type { ClusterPod } from './cluster-network.ts';
import type { HttpTarget } from './http-in-pods.ts';
import { type KubernetesLab, startLab } from './kubernetes-lab.ts';
import type { PodContainer } from './pod-container-process.ts';

export interface PodinfoCluster {
  readonly cluster: KubernetesLab;
  readonly mesh: AmbientCluster;
  readonly client: ClusterPod;
  readonly target: HttpTarget;
  readonly waypoint: PodContainer;
  readonly ztunnels: readonly PodContainer[];
}

const root = join(import.meta.dirname, '../..');
const shared = process.env['AMBIENTD_SHARED'] ?? join(root, '../shared');
export const usersManifests = join(shared, 'manifests');
const example = join(root, 'deploy/examples/podinfo');
const port = 9898;
const caPort = 15_012;

export async function startPodinfoCluster(
  t: Test,
  controlPlane: 'with-istiod' | 'without-istiod',
): Promise<PodinfoCluster> {
  spawnSync('ip', ['link', 'set', 'lo', 'up']);
  // The bridge has no IPv6.
  process.env['LAB_IPV6'] = '';
  const cluster = startLab(t, controlPlane === 'with-istiod' ? 'with-istiod' : 'kubernetes');
  if (controlPlane === 'without-istiod') prepareKubernetes(cluster);
  cluster.lab('apply', join(usersManifests, 'podinfo-per-route.yaml'), join(example, 'podinfo.yaml'));
  // One is enough here.
  cluster.kubectl('scale', '-n', 'podinfo', 'deployment/podinfo', '--replicas=1');
  const files = {
    'with-istiod': ['ztunnel', 'waypoint'],
    'without-istiod': ['controller-rbac', 'mesh-rbac', 'without-istiod', 'ztunnel', 'waypoint-without-istiod'],
  }[controlPlane].flatMap((name) => ['-f', join(root, 'deploy/cluster', `${name}.yaml`)]);
  cluster.kubectl('apply', '--validate=strict', ...files);
  const mesh = await createAmbientCluster(t, cluster);
  await (controlPlane === 'with-istiod' ? reachIstiod(mesh) : runController(mesh));

  const client = await mesh.pod('podinfo', 'app=curl');
  const server = await mesh.pod('podinfo', 'app=podinfo');
  const program = [process.execPath, join(example, 'main.ts')];
  await mesh.run(server, program, { env: { POD_IP: server.pod.address, POD_NAME: server.pod.name } });
  const nodes = [...new Set([client.pod.node, server.pod.node])];
  const ztunnels = await Promise.all(
    nodes.map(async (node) => mesh.run(await mesh.pod('istio-system', 'app=ztunnel', { node }), ambientd)),
  );
  const waypointPod = await mesh.pod('podinfo', 'gateway.networking.k8s.io/gateway-name=podinfo-waypoint');
  const waypoint = await mesh.run(waypointPod, ambientd);
  await Promise.all([client, server].map((pod) => mesh.enroll(pod)));
  for (const container of [...ztunnels, waypoint]) await container.ready();
  const service = (await cluster.read('namespaces/podinfo/services/podinfo-svc')) as { spec: { clusterIP: string } };
  const target = { address: service.spec.clusterIP, port, host: `podinfo-svc.podinfo:${port}` };
  return { cluster, mesh, client, target, waypoint, ztunnels };
}

/** What a user has who wants the kinds of Istio and of Gateway API without istiod. */
function prepareKubernetes(cluster: KubernetesLab): void {
  const crds = ['gateway-api-crds.yaml', 'istio-crds.yaml'].flatMap((file) => [
    '-f',
    join(shared, 'lab/manifests', file),
  ]);
  cluster.kubectl('apply', '--server-side', ...crds);
  cluster.kubectl('wait', '--for', 'condition=Established', '--timeout', '60s', ...crds);
  cluster.kubectl('create', 'namespace', 'istio-system');
}

async function reachIstiod({ network }: AmbientCluster): Promise<void> {
  const istiod = { address: '127.0.0.1', port: caPort };
  await network.serve({ namespace: 'istio-system', name: 'istiod' }, caPort, istiod);
}

async function runController(mesh: AmbientCluster): Promise<void> {
  const name = 'ambientd-controller';
  const pod = await mesh.pod('istio-system', `app=${name}`);
  const controller = await mesh.run(pod, ambientd);
  await controller.ready();
  await mesh.network.serve({ namespace: 'istio-system', name }, caPort, { address: pod.pod.address, port: caPort });
}
