// Our waypoint in a mesh whose control plane is a real istiod: istiod makes its pod from the Gateway that users have, with our manifest
// in deploy/cluster; tunnels come from and go to Istio's own ztunnel and ours, all with istiod's certificates.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parsePrometheusText, type Sample } from '../../deploy/local/prometheus-text.ts';
import { inUserNamespace, whatIsMissing } from '../support/in-user-namespace.ts';
import { unpackPeers } from '../support/peers.ts';
import { type AmbientCluster, ambientd, createAmbientCluster } from './ambient-cluster.ts';
import type { ClusterPod } from './cluster-network.ts';
import { ask, askDigest, bytesOf, digestOfBytes, type HttpAnswer, type HttpTarget, serveHttp } from './http-in-pods.ts';
import { type KubernetesLab, startLab, whyNoLab } from './kubernetes-lab.ts';
import type { PodContainer } from './pod-container-process.ts';
import { untilFound } from './until-found.ts';

const root = join(import.meta.dirname, '../..');
const shared = process.env['AMBIENTD_SHARED'] ?? join(root, '../shared');
/** What our users have. */
const userManifest = join(shared, 'manifests/podinfo-per-route.yaml');
const port = 9898;
const largeBytes = 256 * 1024 * 1024;
const gatewayLabel = 'gateway.networking.k8s.io/gateway-name=podinfo-waypoint';

const service = `
apiVersion: v1
kind: Service
metadata: { name: podinfo-svc, namespace: podinfo }
spec: { selector: { app: podinfo }, ports: [{ name: http, port: ${port}, targetPort: ${port} }] }`;

/** Of HTTP, which only a waypoint can tell; and of an identity. */
const policies = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-admin, namespace: podinfo }
spec:
  targetRefs: [{ kind: Gateway, group: gateway.networking.k8s.io, name: podinfo-waypoint }]
  action: DENY
  rules:
  - to: [{ operation: { methods: [DELETE] } }, { operation: { paths: ["/admin*"] } }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: client-only, namespace: podinfo }
spec:
  targetRefs: [{ kind: Service, group: "", name: podinfo-svc }]
  rules:
  - from: [{ source: { principals: [cluster.local/ns/podinfo/sa/client] } }]`;

const route = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: podinfo, namespace: podinfo }
spec:
  hosts: [podinfo-svc]
  http:
  - match: [{ uri: { prefix: /nowhere } }]
    route: [{ destination: { host: nobody } }]
  - route: [{ destination: { host: podinfo-svc } }]`;

t.setTimeout(175_000);
const lack = whyNoLab() ?? whatIsMissing(['ip', 'nft', 'setpriv']);
if (lack !== undefined) t.test('our waypoint under istiod', { skip: lack }, async () => {});
else if (await inUserNamespace(t, import.meta.filename, ['ip', 'nft'])) await t.test('our waypoint under istiod', run);

interface Story {
  readonly cluster: KubernetesLab;
  readonly mesh: AmbientCluster;
  readonly client: ClusterPod;
  readonly stranger: ClusterPod;
  readonly target: HttpTarget;
  readonly waypoint: PodContainer;
}

async function run(t: Test): Promise<void> {
  const programs = { istio: [join(unpackPeers(t, 'ztunnel'), 'ztunnel')], ours: ambientd };
  const story = await begin(t);
  const { cluster, mesh, client, waypoint } = story;
  const start = async (node: string, whose: keyof typeof programs): Promise<PodContainer> => {
    const container = await mesh.run(await mesh.pod('istio-system', 'app=ztunnel', { node }), programs[whose]);
    await container.ready();
    return container;
  };

  await t.test('is the pod that istiod made for the Gateway, with the name that Prometheus looks for', async (t) => {
    t.match(waypoint.pod.object, {
      metadata: { labels: { 'gateway.istio.io/managed': 'istio.io-mesh-controller' } },
      spec: { containers: [{ image: /^ambientd/, args: ['waypoint'], ports: [{}, {}, { name: 'http-envoy-prom' }] }] },
    });
    const fetched = /certificate fetched.*spiffe:\/\/cluster\.local\/ns\/podinfo\/sa\/podinfo-waypoint/;
    t.ok(await untilFound(async () => fetched.test(waypoint.log()), Boolean), 'its certificate is from istiod');
  });

  const pairs = [
    ['istio', 'istio'],
    ['ours', 'istio'],
    ['istio', 'ours'],
  ] as const;
  let nodes: readonly PodContainer[] = [];
  for (const [atClient, atServer] of pairs) {
    await t.test(`between ${atClient} before the client and ${atServer} before the server`, async (t) => {
      for (const node of nodes) await node.stop();
      nodes = [await start('node-a', atClient), await start('node-b', atServer)];
      await countsRoutes(t, story, nodes);
      await keepsBytes(t, story);
    });
  }

  await t.test('honours the policies that are for it', async (t) => {
    cluster.apply(policies);
    await obeysPolicies(t, story);
  });

  await t.test('routes as the Kubernetes API says', async (t) => {
    const nowhere = (): Promise<HttpAnswer> => ask(client, story.target, 'GET', '/nowhere');
    t.match(await nowhere(), { status: 200, body: '/nowhere' });
    cluster.apply(route);
    await untilFound(nowhere, ({ status }) => status === 503);
    t.match(await ask(client, story.target, 'GET', '/healthz'), { status: 200, body: '/healthz' });
    cluster.kubectl('delete', '-n', 'podinfo', 'virtualservice', 'podinfo');
    await untilFound(nowhere, ({ status }) => status === 200);
  });

  await t.test('follows the mesh as it changes', async (t) => {
    cluster.kubectl('delete', '-n', 'podinfo', 'authorizationpolicy', '--all');
    await untilFound(
      () => ask(client, story.target, 'GET', '/admin'),
      ({ status }) => status === 200,
    );
    cluster.kubectl('delete', '-n', 'podinfo', 'pod', 'podinfo', '--grace-period=0', '--force');
    const answer = await untilFound(
      () => ask(client, story.target, 'GET', '/'),
      ({ status }) => status === 503,
    );
    t.equal(answer.body, 'no healthy upstream');
    t.equal(await waypoint.stop(), 0);
  });
}

async function begin(t: Test): Promise<Story> {
  spawnSync('ip', ['link', 'set', 'lo', 'up']);
  // The bridge has no IPv6.
  process.env['LAB_IPV6'] = '';
  const cluster = startLab(t, 'with-istiod');
  const ours = ['ztunnel.yaml', 'waypoint.yaml'].flatMap((file) => ['-f', join(root, 'deploy/cluster', file)]);
  cluster.kubectl('apply', '--validate=strict', ...ours);
  cluster.lab('apply', userManifest);
  cluster.apply(service);
  const mesh = await createAmbientCluster(t, cluster);
  await mesh.network.serve({ namespace: 'istio-system', name: 'istiod' }, 15012, { address: '127.0.0.1', port: 15012 });
  const startPod = async (name: string, node: string): Promise<ClusterPod> => {
    const labels = ['--labels', `app=${name}`, '--port', `http:${port}`];
    cluster.lab('pod', name, '--namespace', 'podinfo', '--sa', name, '--node', node, ...labels);
    return await mesh.pod('podinfo', `app=${name}`);
  };
  const [client, stranger] = [await startPod('client', 'node-a'), await startPod('stranger', 'node-a')];
  const server = await startPod('podinfo', 'node-b');
  await serveHttp(t, server, port);
  const waypoint = await mesh.run(await mesh.pod('podinfo', gatewayLabel), ambientd);
  await waypoint.ready();
  for (const pod of [client, stranger, server]) void mesh.enroll(pod);
  const found = (await cluster.read('namespaces/podinfo/services/podinfo-svc')) as { spec: { clusterIP: string } };
  const target = { address: found.spec.clusterIP, port, host: `podinfo-svc.podinfo:${port}` };
  return { cluster, mesh, client, stranger, target, waypoint };
}

async function countsRoutes(
  t: Test,
  { client, target, waypoint }: Story,
  nodes: readonly PodContainer[],
): Promise<void> {
  const before = await routes(waypoint);
  await untilFound(
    () => ask(client, target, 'GET', '/version'),
    ({ status }) => status === 200,
  ).catch((error) => {
    throw new Error(`${error}\n${[...nodes, waypoint].map(({ log }) => log().slice(-3_000)).join('\n')}`);
  });
  const unknown = (await routes(waypoint)).get('unknown 200') ?? 0;
  for (let i = 0; i < 7; i++) {
    const answer = await ask(client, target, 'GET', '/healthz');
    t.match(answer, { status: 200, body: '/healthz', headers: { server: 'istio-envoy' } });
  }
  for (let i = 0; i < 5; i++)
    t.match(await ask(client, target, 'POST', '/echo', 'test'), { status: 202, body: 'test' });
  for (let i = 0; i < 3; i++) await ask(client, target, 'GET', '/version');
  const since = new Map([...(await routes(waypoint))].map(([name, value]) => [name, value - (before.get(name) ?? 0)]));
  t.equal(since.get('GET /healthz 200'), 7);
  t.equal(since.get('POST /echo 202'), 5);
  t.equal(((await routes(waypoint)).get('unknown 200') ?? 0) - unknown, 3);
  const [sample] = (await requestSeries(waypoint)).filter(({ labels }) => labels['route_name'] === 'GET /healthz');
  t.match(sample?.labels, {
    ...{
      reporter: 'waypoint',
      source_workload: 'client',
      source_app: 'client',
      connection_security_policy: 'mutual_tls',
    },
    ...{ source_principal: 'spiffe://cluster.local/ns/podinfo/sa/client', destination_app: 'podinfo' },
    ...{ destination_principal: 'spiffe://cluster.local/ns/podinfo/sa/podinfo', destination_workload: 'podinfo' },
    ...{ destination_service: 'podinfo-svc.podinfo.svc.cluster.local', destination_service_name: 'podinfo-svc' },
  });
}

async function keepsBytes(t: Test, { client, target }: Story): Promise<void> {
  const expected = await digestOfBytes(largeBytes);
  t.equal((await ask(client, target, 'POST', '/digest', bytesOf(largeBytes))).body, expected, 'sent');
  t.equal(await askDigest(client, target, `/bytes/${largeBytes}`), expected, 'received');
}

async function obeysPolicies(t: Test, { client, stranger, target, waypoint }: Story): Promise<void> {
  const denied = await untilFound(
    () => ask(client, target, 'GET', '/admin/users'),
    ({ status }) => status === 403,
  );
  t.match(denied, { body: 'RBAC: access denied', headers: { 'content-type': 'text/plain' } });
  const refused = await untilFound(
    () => ask(stranger, target, 'GET', '/healthz'),
    ({ status }) => status === 403,
  );
  t.equal(refused.body, 'RBAC: access denied');
  t.match(await ask(client, target, 'DELETE', '/healthz'), { status: 403 });
  t.match(await ask(client, target, 'GET', '/healthz'), { status: 200, body: '/healthz' });
  t.match(await ask(client, target, 'GET', '/healthz?of=/admin'), { status: 200 }, 'a query is no path');
  t.match(
    await ask(client, target, 'GET', '/x/../admin'),
    { status: 403 },
    'another way to write a path is no way around',
  );
  const series = await requestSeries(waypoint);
  const ofStranger = series.filter(({ labels }) => labels['source_workload'] === 'stranger');
  t.ok(ofStranger.length > 0);
  for (const { labels } of ofStranger) t.match(labels, { response_code: '403', response_flags: '-' });
  t.match(waypoint.log(), /AUTHORIZATION_DENIED/);
}

async function requestSeries({ page }: PodContainer): Promise<readonly Sample[]> {
  const samples = parsePrometheusText(await page(15_090, '/stats/prometheus'));
  return samples.filter(({ name }) => name === 'istio_requests_total');
}

/** Requests by route and status. */
async function routes(waypoint: PodContainer): Promise<ReadonlyMap<string, number>> {
  const totals = new Map<string, number>();
  for (const { labels, value } of await requestSeries(waypoint)) {
    const key = `${labels['route_name']} ${labels['response_code']}`;
    totals.set(key, (totals.get(key) ?? 0) + value);
  }
  return totals;
}
