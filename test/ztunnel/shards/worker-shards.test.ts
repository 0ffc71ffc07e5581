// Several shards in worker threads, over real sockets and TLS: they share the pods' ports, the mesh, the log and the metrics page.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { readRevocationLists } from '../../../common/identity/crl-codec.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import { parseManifest } from '../../../common/sources/manifests/manifest-parser.ts';
import type { RestartingShard } from '../../../ztunnel/shards/restarting-shard.ts';
import { createCrl } from '../../support/certificate-chains.ts';
import type { EchoTraffic } from '../../support/echo-traffic.ts';
import { aPolicy, aService, aWorkload, ports } from '../../support/mesh-objects.ts';
import { type ShardedMesh, startShardedMesh } from '../../support/sharded-mesh.ts';
import { connectThrough, echo, mustConnectThrough, readExactly, startProgram } from '../../support/tcp-programs.ts';

const trafficFile = new URL('../../support/echo-traffic.ts', import.meta.url);
const key = 'default/podinfo.default.svc.cluster.local';
const opened = 'istio_tcp_connections_opened_total';
const closed = 'istio_tcp_connections_closed_total';

const connectionsByApp = `
apiVersion: config.istio.io/v1alpha2
kind: metric
metadata: { name: opened, namespace: istio-system }
spec: { value: '1', dimensions: { app: destination.workload.name | "unknown" } }
---
apiVersion: config.istio.io/v1alpha2
kind: prometheus
metadata: { name: opened, namespace: istio-system }
spec: { metrics: [{ name: opened, instance_name: opened.metric.istio-system, kind: COUNTER, label_names: [app] }] }
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: { name: opened, namespace: istio-system }
spec:
  match: connection.event == "open"
  actions: [{ handler: opened.prometheus, instances: [opened.metric] }]
`;

/** A client's pod and a server's; each test has its own addresses. */
function meshAt(third: number) {
  const [shell, podinfo, vip] = [1, 2, 3].map((last) => `127.77.${third}.${last}`) as [string, string, string];
  return {
    shell,
    podinfo,
    snapshot: {
      workloads: [
        aWorkload({ name: 'shell-1', addresses: [shell], serviceAccount: 'shell' }),
        aWorkload({ name: 'podinfo-1', addresses: [podinfo], services: { [key]: ports(80, 9898) } }),
      ],
      services: [aService({ name: 'podinfo', addresses: [vip], ports: ports(80, 9898) })],
    },
  };
}

async function connectMany(shell: string, count: number): Promise<readonly Socket[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => mustConnectThrough(shell, 'podinfo', 80)));
  for (const client of clients) {
    client.on('error', () => {});
    client.write('hello');
    if ((await readExactly(client, 5)).toString() !== 'hello') throw new Error('other bytes came back');
  }
  return clients;
}

/** Whether what is written comes back, or the connection has ended. */
async function stillAnswers(client: Socket): Promise<boolean> {
  client.write('still here');
  return await readExactly(client, 10).then(
    () => true,
    () => false,
  );
}

/** However it ends. */
function whenClosed(client: Socket): Promise<void> {
  return new Promise((resolve) => client.once('close', () => resolve()));
}

async function totalOf(mesh: ShardedMesh, metric: string): Promise<number> {
  return (await mesh.samples(metric)).reduce((sum, [, value]) => sum + value, 0);
}

async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
}

t.test('connections are spread over the shards, and counted, logged and shown as one', async (t) => {
  const { shell, podinfo, snapshot } = meshAt(1);
  const mesh = await startShardedMesh(snapshot, 2);
  const program = await startProgram(podinfo, 9898, echo);
  t.teardown(async () => {
    program.close();
    await mesh.close();
  });
  const clients = await connectMany(shell, 40);
  t.same(await mesh.living(), { inbound: 40, outbound: 40 });
  for (const shard of mesh.shards.list) {
    const proxies = await shard.proxies();
    t.equal(proxies.length, 2, 'each shard serves each pod');
    t.ok(
      proxies.some(({ outbound }) => outbound.length > 0),
      'and has connections',
    );
  }
  t.equal((await totalOf(mesh, 'istio_tcp_sockets_open')) >= 40, true, 'sockets of all shards');
  for (const client of clients) client.end();
  await Promise.all(clients.map(whenClosed));
  await until(async () => (await totalOf(mesh, closed)) === 80);
  t.equal(await totalOf(mesh, opened), 80, 'both ends of each');
  t.same(await mesh.samples('ambientd_shards'), [[{}, 2]]);
  await until(() => mesh.lines.filter(({ message }) => message === 'connection complete').length === 80);
  t.equal(mesh.lines.filter(({ message }) => message === 'pod is served').length, 2, 'a pod is told once');
});

t.test('a change of the mesh and of log levels is known in every shard', async (t) => {
  const { shell, podinfo, snapshot } = meshAt(2);
  const mesh = await startShardedMesh(snapshot, 2);
  const program = await startProgram(podinfo, 9898, echo);
  t.teardown(async () => {
    program.close();
    await mesh.close();
  });
  const clients = await connectMany(shell, 16);
  const ended = Promise.all(clients.map(whenClosed));
  mesh.shards.useLevels({ fallback: 'error', scopes: new Map() });
  const deny = aPolicy({ name: 'no-shell', scope: 'namespace', action: 'deny', match: { destinationPorts: [9898] } });
  mesh.mesh.replace({ ...snapshot, policies: [deny] });
  await ended;
  await until(async () => (await mesh.living()).inbound === 0);
  const cut = mesh.lines.filter(({ code, direction }) => code === 'POLICY_CHANGED' && direction === 'inbound');
  await until(() => mesh.lines.filter(({ code }) => code === 'POLICY_CHANGED').length >= 16);
  t.ok(cut.length <= 16);
  t.notOk(mesh.lines.some(({ message, level }) => message === 'connection complete' && level === 'info'));
});

t.test('a shard that is lost is replaced with its pods, and its connections are accounted for', async (t) => {
  const { shell, podinfo, snapshot } = meshAt(3);
  const mesh = await startShardedMesh(snapshot, 2);
  const program = await startProgram(podinfo, 9898, echo);
  t.teardown(async () => {
    program.close();
    await mesh.close();
  });
  const clients = await connectMany(shell, 32);
  await totalOf(mesh, opened);
  await mesh.shards.list[0]?.kill();
  t.same(await mesh.samples('ambientd_shard_restarts_total'), [[{}, 1]]);
  await until(async () => (await mesh.shards.list[0]?.proxies())?.length === 2);
  const answers = await Promise.all(clients.map(stillAnswers));
  const left = clients.filter((_, number) => answers[number]);
  // Their tunnels may have led into the lost shard too.
  t.ok(left.length < 32, `${left.length} of 32 connections did not need the lost shard`);
  t.same(await mesh.living(), { inbound: left.length, outbound: left.length });
  const more = await connectMany(shell, 16);
  for (const client of [...left, ...more]) client.end();
  await until(async () => (await mesh.living()).outbound === 0 && (await mesh.living()).inbound === 0);
  await until(async () => (await totalOf(mesh, closed)) === (await totalOf(mesh, opened)));
  t.equal(await totalOf(mesh, opened), 96, 'both ends of each');
  await until(async () => (await totalOf(mesh, 'istio_tcp_sockets_open')) <= 2);
  t.match(
    mesh.lines.find(({ message }) => message === 'shard has ended'),
    { shard: 'shard-1', pods: 2 },
  );
});

t.test('revocations hold in every shard, and after a loss too', async (t) => {
  const { shell, podinfo, snapshot } = meshAt(9);
  const mesh = await startShardedMesh(snapshot, 2);
  const program = await startProgram(podinfo, 9898, echo);
  t.teardown(async () => {
    program.close();
    await mesh.close();
  });
  const clients = await connectMany(shell, 24);
  const ended = Promise.all(clients.map(whenClosed));
  const identity = identityOf({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'shell' });
  const { chainPem } = await mesh.certificates.get(identity);
  const list = readRevocationLists(await createCrl({ issuer: mesh.authority.rootPem, revoked: [chainPem] }));
  for (const shard of mesh.shards.list) shard.useRevocations(list);
  await ended;
  await mesh.shards.list[0]?.kill();
  await until(async () => (await mesh.shards.list[0]?.proxies())?.length === 2);
  const attempts = Array.from({ length: 24 }, async () => (await connectThrough(shell, 'podinfo', 80)).kind);
  t.same([...new Set(await Promise.all(attempts))], ['refused'], 'whichever shard it comes to');
  for (const shard of mesh.shards.list) shard.useRevocations([]);
  for (const client of await connectMany(shell, 4)) client.end();
});

t.test('metrics that the users manifests define are counted in every shard, and after a loss too', async (t) => {
  const { shell, podinfo, snapshot } = meshAt(6);
  const mesh = await startShardedMesh(snapshot, 2);
  const program = await startProgram(podinfo, 9898, echo);
  t.teardown(async () => {
    program.close();
    await mesh.close();
  });
  const { objects } = parseManifest(connectionsByApp, 'metric.yaml');
  for (const shard of mesh.shards.list) shard.useObjects(objects);
  await mesh.shards.list[0]?.kill();
  await until(async () => (await mesh.shards.list[0]?.proxies())?.length === 2);
  const clients = await connectMany(shell, 24);
  await until(async () => (await totalOf(mesh, 'istio_opened')) === 24);
  t.same((await mesh.samples('istio_opened'))[0]?.[0], { app: 'podinfo-1' });
  for (const client of clients) client.end();
  await Promise.all(clients.map(whenClosed));
});

t.test('bytes pass while the main thread is busy', async (t) => {
  const { shell, podinfo, snapshot } = meshAt(8);
  const mesh = await startShardedMesh(snapshot, 2);
  const count = new Int32Array(new SharedArrayBuffer(4));
  const traffic: EchoTraffic = { client: shell, server: podinfo, port: 9898, host: 'podinfo', count };
  const programs = new Worker(trafficFile, { workerData: traffic });
  t.teardown(async () => {
    await programs.terminate();
    await mesh.close();
  });
  await once(programs, 'message');
  const before = Atomics.load(count, 0);
  // As a large push of the control plane would.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
  t.ok(Atomics.load(count, 0) > before, `${Atomics.load(count, 0) - before} messages came back meanwhile`);
});

t.test('what the mesh lacks is asked for, whichever shard misses it', async (t) => {
  const { shell, podinfo, snapshot } = meshAt(7);
  const asked: string[] = [];
  const [client, server] = snapshot.workloads;
  if (client === undefined || server === undefined) throw new Error('the mesh has no such pods');
  const { services } = snapshot;
  const mesh = await startShardedMesh({ workloads: [client, server] }, 2, (whole) => ({
    async ask(names) {
      asked.push(...names);
      whole.replace({ workloads: [client, server], services, policies: [] });
      return { kind: 'answered' };
    },
  }));
  const program = await startProgram(podinfo, 9898, echo);
  t.teardown(async () => {
    program.close();
    await mesh.close();
  });
  const vip = services[0]?.addresses[0]?.ip ?? '';
  const through = await connectThrough(shell, vip, 80);
  t.equal(through.kind, 'connected');
  t.same(asked, [`/${vip}`]);
  if (through.kind === 'connected') through.socket.destroy();
});

t.test('a pod that comes or goes while a shard is lost is served by all in the end, or by none', async (t) => {
  const { shell, podinfo, snapshot } = meshAt(9);
  const mesh = await startShardedMesh({}, 2);
  const program = await startProgram(podinfo, 9898, echo);
  t.teardown(async () => {
    program.close();
    await mesh.close();
  });
  const podsOf = async (shard: RestartingShard): Promise<number> => (await shard.proxies()).length;
  const everyShardHas = (pods: number): Promise<void> =>
    until(async () => (await Promise.all(mesh.shards.list.map(podsOf))).every((count) => count === pods));
  mesh.mesh.replace({ ...snapshot, policies: [] });
  await mesh.shards.list[0]?.kill();
  await everyShardHas(2);
  for (const client of await connectMany(shell, 8)) client.destroy();
  mesh.mesh.replace({ workloads: [], services: [], policies: [] });
  await mesh.shards.list[1]?.kill();
  await everyShardHas(0);
  await until(() => mesh.fleet.list().length === 0);
});

t.test('a pod that a shard cannot serve is served by none', async (t) => {
  const { podinfo, snapshot } = meshAt(4);
  const holder = await startProgram(podinfo, 15_008, echo);
  t.teardown(() => holder.close());
  const mesh = await startShardedMesh({}, 2);
  t.teardown(() => mesh.close());
  const [, server] = snapshot.workloads;
  const pod = {
    uid: 'taken',
    name: { name: 'podinfo-1', namespace: 'default', serviceAccount: 'podinfo-1' },
    network: { kind: 'address', address: server?.addresses[0] ?? t.fail() },
  } as Parameters<ShardedMesh['fleet']['start']>[0];
  let released = 0;
  await t.rejects(
    mesh.fleet.start(pod, () => released++),
    { code: 'ADDRESS_IN_USE' },
  );
  t.equal(released, 1);
  for (const shard of mesh.shards.list) t.same(await shard.proxies(), []);
});

t.test('a drain waits for the connections of every shard', async (t) => {
  const { shell, podinfo, snapshot } = meshAt(5);
  const mesh = await startShardedMesh(snapshot, 2);
  const program = await startProgram(podinfo, 9898, echo);
  t.teardown(async () => {
    program.close();
    await mesh.close();
  });
  const clients = await connectMany(shell, 8);
  let state = 'draining';
  const drained = mesh.fleet.drain(60_000).then(() => {
    state = 'drained';
  });
  for (const client of clients) {
    client.write('more');
    t.equal((await readExactly(client, 4)).toString(), 'more');
  }
  t.equal(state, 'draining');
  for (const client of clients) client.end();
  await drained;
  t.equal(await totalOf(mesh, closed), 16, 'the last counts have come');
});
