import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { inspect, isDeepStrictEqual } from 'node:util';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { createMeshIndex, type MeshIndex } from '../../../../common/mesh/mesh-index.ts';
import { type MeshUpdate, nothing } from '../../../../common/mesh/mesh-source.ts';
import type { MeshView } from '../../../../common/mesh/mesh-view.ts';
import { meshMemoryBytes } from '../../../../common/mesh/shared/mesh-memory.ts';
import { createSharedMesh, openSharedMesh } from '../../../../common/mesh/shared/shared-mesh.ts';
import { aPolicy, aService, at, aWorkload, ports, vip } from '../../../support/mesh-objects.ts';
import { randomFrom } from '../../../support/random-from.ts';
import { addresses, hostnames, names, namespaces, networks, nodes, randomMesh } from '../../../support/random-mesh.ts';
import type { ReaderOrder, ReaderReport } from '../../../support/shared-mesh-reader.ts';

const readerFile = new URL('../../../support/shared-mesh-reader.ts', import.meta.url);
/** Everything that can be asked, of keys that are there and of keys that are not. */
function answersOf(mesh: MeshView): unknown[] {
  const clients = [undefined, ...namespaces];
  const byText = (one: string, other: string): number => (one < other ? -1 : 1);
  const endpointsOf = (service: Parameters<MeshView['endpointsOf']>[0]): unknown =>
    mesh
      .endpointsOf(service)
      .map((endpoint) => endpoint)
      .sort((one, other) => byText(one.workload.uid, other.workload.uid));
  const workloads = [...mesh.workloads()].sort((one, other) => byText(one.uid, other.uid));
  const services = [...mesh.services()].sort((one, other) =>
    byText(`${one.namespace}/${one.hostname}`, `${other.namespace}/${other.hostname}`),
  );
  return [
    workloads,
    services,
    [...mesh.policies()].sort((one, other) =>
      byText(`${one.namespace}/${one.name}`, `${other.namespace}/${other.name}`),
    ),
    workloads.map(({ uid }) => mesh.workloadByUid(uid)),
    workloads.map((workload) => mesh.policiesFor(workload)),
    services.map((service) => [mesh.serviceByKey(service), endpointsOf(service)]),
    networks.map((network) => addresses.map((ip) => mesh.workloadByAddress(network, ip))),
    networks.map((network) =>
      addresses.map((ip) => clients.map((client) => mesh.serviceByAddress(network, ip, client))),
    ),
    hostnames.map((hostname) => clients.map((client) => mesh.serviceByHostname(hostname, client))),
    hostnames.map((hostname) => mesh.servicesByHostname(hostname)),
    namespaces.map((namespace) => hostnames.map((hostname) => mesh.workloadByHostname({ namespace, hostname }))),
    namespaces.flatMap((namespace) =>
      names.flatMap((name) =>
        names.flatMap((serviceAccount) =>
          [undefined, ...nodes].map((node) => mesh.workloadByName({ name, namespace, serviceAccount }, node)),
        ),
      ),
    ),
  ];
}

/** The last of each key, as every source sends it. */
function plain(update: MeshUpdate): MeshUpdate {
  const workloads = [...new Map(update.workloads.map((each) => [each.uid, each])).values()];
  const services = [...new Map(update.services.map((each) => [`${each.namespace}/${each.hostname}`, each])).values()];
  const policies = [...new Map(update.policies.map((each) => [`${each.namespace}/${each.name}`, each])).values()];
  return { ...update, workloads, services, policies };
}

t.test('the answers are those of the plain index, whatever the sequence of changes', (t) => {
  let found = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const random = randomMesh(randomFrom(seed));
    const shared = createSharedMesh(seed);
    const reader = openSharedMesh(shared.memory);
    const index: MeshIndex = createMeshIndex();
    for (let step = 0; step < 60; step++) {
      const update = plain(random.update());
      index.apply(update);
      shared.apply(update);
      if (step % 6 !== 5) continue;
      const expected = answersOf(index);
      for (const [who, mesh] of [
        ['the writer', shared],
        ['a reader', reader],
      ] as const) {
        const answers = answersOf(mesh);
        found += answers.flat(4).filter((answer) => answer !== undefined).length;
        const wrong = answers.findIndex((answer, place) => !isDeepStrictEqual(answer, expected[place]));
        if (wrong < 0) continue;
        const where = `seed ${seed}, step ${step}, answer ${wrong} of ${who}`;
        throw new Error(`${where}: ${inspect(answers[wrong], { depth: 9 })}`);
      }
    }
  }
  t.ok(found > 10_000, `${found} objects were found`);
  t.end();
});

t.test('a snapshot replaces all, and the memory of what is gone is used again', (t) => {
  const shared = createSharedMesh(1);
  const reader = openSharedMesh(shared.memory);
  const index = createMeshIndex();
  const snapshotOf = (seed: number) => {
    const random = randomMesh(randomFrom(seed));
    const workloads = Array.from({ length: 300 }, (_, number) => ({
      ...random.workload(),
      name: `w${number % 250}-${seed}-${'x'.repeat(number % 50)}`,
    }));
    return { workloads, services: Array.from({ length: 20 }, random.service), policies: [random.policy()] };
  };
  let bytesAfterSome = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const snapshot = snapshotOf(seed);
    shared.replace(snapshot);
    index.replace(snapshot);
    if (seed === 20) bytesAfterSome = meshMemoryBytes(shared.memory);
  }
  t.ok(isDeepStrictEqual(answersOf(reader), answersOf(index)), 'the same answers');
  t.equal(meshMemoryBytes(shared.memory), bytesAfterSome, 'no byte more after forty further generations');
  shared.replace({ workloads: [], services: [], policies: [] });
  t.same([[...reader.workloads()], [...reader.services()], [...reader.policies()]], [[], [], []]);
  t.end();
});

t.test('what is sent again with the same value is no change', (t) => {
  const shared = createSharedMesh();
  const update = {
    ...nothing,
    workloads: [aWorkload({ name: 'a', addresses: ['10.0.0.1'], services: { 'default/s': ports(80, 8080) } })],
    services: [aService({ name: 's', addresses: [vip('10.1.0.0/16')] })],
    policies: [aPolicy({ name: 'p', match: { destinationPorts: [80] } })],
  };
  const changes: unknown[] = [];
  shared.onChange((change) => changes.push(change));
  shared.apply(update);
  const { revision } = shared;
  const before = shared.workloadByAddress('', at('10.0.0.1'));
  shared.apply(update);
  shared.replace(update);
  shared.apply({ ...nothing, removedWorkloads: [aWorkload({ name: 'unknown' }).uid], removedServices: ['x/y'] });
  t.same(changes, [{ servicesChanged: true, workloadsChanged: true, policiesChanged: true }], 'one event');
  t.equal(shared.revision, revision);
  t.equal(shared.workloadByAddress('', at('10.0.0.1')), before, 'the value that was there stays');
  t.end();
});

t.test('a value that was handed out stays as it was', (t) => {
  const shared = createSharedMesh();
  const service = aService({ name: 's' });
  const first = aWorkload({ name: 'a', services: { 'default/s.default.svc.cluster.local': ports(80, 8080) } });
  shared.apply({ ...nothing, workloads: [first], services: [service] });
  const before = shared.endpointsOf(service);
  t.equal(shared.endpointsOf(service), before, 'the same list while nothing changes');
  shared.apply({ ...nothing, workloads: [{ ...first, status: 'unhealthy' }] });
  t.same(
    before.map(({ workload }) => workload.status),
    ['healthy'],
  );
  t.same(shared.endpointsOf(service), []);
  t.end();
});

t.test('a change of others leaves the list of a service alone', (t) => {
  const shared = createSharedMesh();
  const service = aService({ name: 's' });
  const member = aWorkload({ name: 'a', services: { 'default/s.default.svc.cluster.local': ports(80, 8080) } });
  shared.apply({ ...nothing, workloads: [member], services: [service] });
  const before = shared.endpointsOf(service);
  shared.apply({ ...nothing, workloads: [aWorkload({ name: 'other' })] });
  t.equal(shared.endpointsOf(service), before);
  t.end();
});

t.test('who asks again for an address gets the same answer until the mesh changes, and then the new one', async (t) => {
  const shared = createSharedMesh();
  const reader = openSharedMesh(shared.memory);
  const ip = at('10.1.0.1');
  const ofShop = aService({ name: 'one', namespace: 'shop', addresses: [ip] });
  shared.apply({ ...nothing, services: [ofShop, aService({ name: 'two', namespace: 'bank', addresses: [ip] })] });
  const namespaceFor = (client: string) => reader.serviceByAddress('', ip, client)?.namespace;
  for (let round = 0; round < 3; round++) {
    t.same([namespaceFor('shop'), namespaceFor('bank')], ['shop', 'bank'], 'each client has its own');
    t.equal(namespaceFor('bank'), 'bank');
    t.equal(reader.serviceByAddress('other', ip, 'bank'), undefined, 'and each network');
    t.equal(reader.workloadByAddress('', ip), undefined);
  }
  const workload = aWorkload({ name: 'late', addresses: [ip] });
  shared.apply({ ...nothing, workloads: [workload] });
  t.equal(reader.workloadByAddress('', ip)?.name, 'late');
  t.equal(reader.workloadByAddress('', ip), reader.workloadByAddress('', ip));
  shared.apply({ ...nothing, removedWorkloads: [workload.uid], removedServices: ['shop/one.shop.svc.cluster.local'] });
  t.equal(reader.workloadByAddress('', ip), undefined);
  t.equal(namespaceFor('shop'), 'bank', 'whose service is the only one left');
});

t.test('threads that read meanwhile see each object whole, and nothing away that is only replaced', async (t) => {
  const shared = createSharedMesh();
  const workloadIps = Array.from({ length: 200 }, (_, number) => at(`10.2.0.${number}`));
  const serviceIp = at('10.1.0.1');
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const key = (turn: number): string => `default/s${turn}`;
  const serviceOf = (turn: number) => aService({ name: `s${turn}`, hostname: `s${turn}`, addresses: [serviceIp] });
  const memberOf = (number: number, change: number, turn: number) => {
    // Lengths differ, so that records move and their places are used again.
    const mark = `${'n'.repeat(change % 40)}#${change}`;
    return aWorkload({
      name: `w${number}${mark}`,
      uid: `w${number}`,
      addresses: [workloadIps[number] ?? serviceIp],
      node: `${change}-${'x'.repeat(change % 30)}`,
      canonicalName: mark,
      workloadName: `d${mark}`,
      services: { [key(turn)]: ports(80, 8080) },
    });
  };
  shared.apply({ ...nothing, services: [serviceOf(0)] });
  const order: ReaderOrder = { memory: shared.memory, workloadIps, serviceIp, stop };
  const threads = [1, 2].map(() => new Worker(readerFile, { workerData: order }));
  await Promise.all(threads.map((thread) => once(thread, 'message')));
  const random = randomFrom(7);
  for (let change = 1; change <= 20_000; change++) {
    const turn = Math.floor(change / 100);
    const number = Math.floor(random() * workloadIps.length);
    shared.apply({ ...nothing, workloads: [memberOf(number, change, turn)] });
    if (random() < 0.1) shared.apply({ ...nothing, removedWorkloads: [memberOf(number, change, turn).uid] });
    if (change % 100 > 0) continue;
    // Readers on the same processors get their turn.
    await setImmediate();
    const removedServices = [key(turn - 1)];
    shared.apply({ ...nothing, services: [serviceOf(turn)], removedServices });
  }
  // The second may tell while the first is waited for.
  const told = Promise.all(threads.map((thread) => once(thread, 'message')));
  Atomics.store(stop, 0, 1);
  for (const [report] of (await told) as ReaderReport[][]) {
    t.same(report?.wrong, []);
    t.ok((report?.versions ?? 0) > 100, `it met ${report?.versions} values in ${report?.lookUps} look-ups`);
    t.ok((report?.endpoints ?? 0) > 0, `and ${report?.endpoints} endpoints`);
  }
  t.end();
});
