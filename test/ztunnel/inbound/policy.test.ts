// Policy at the receiving end: who is let in, what a change of policy does to connections that live, and what a pod's end,
// a drain and a late workload mean for its peers.
import { once } from 'node:events';
import t from 'tap';
import type { MeshSnapshot } from '../../../common/mesh/mesh-source.ts';
import type { Workload } from '../../../common/mesh/workload.ts';
import { type ExplicitMesh, startExplicitMesh } from '../../support/explicit-mesh.ts';
import { aPolicy, aWorkload } from '../../support/mesh-objects.ts';
import {
  connectThrough,
  echo,
  howItEnds,
  mustConnectThrough,
  readExactly,
  startProgram,
} from '../../support/tcp-programs.ts';

const friend = '127.73.1.1';
const stranger = '127.73.1.2';
const server = '127.73.1.3';
const workloads: readonly Workload[] = [
  aWorkload({ name: 'friend', addresses: [friend] }),
  aWorkload({ name: 'stranger', addresses: [stranger] }),
  aWorkload({ name: 'server', addresses: [server], namespace: 'guarded' }),
];
const principal = (name: string) => ({ kind: 'exact', value: `cluster.local/ns/default/sa/${name}` }) as const;
const onlyFriends = aPolicy({
  name: 'only-friends',
  namespace: 'guarded',
  match: { principals: [principal('friend')] },
});
const nobody = aPolicy({ name: 'nobody', namespace: 'guarded', action: 'deny', match: { destinationPorts: [8080] } });
const snapshotWith = (...policies: MeshSnapshot['policies'][number][]): MeshSnapshot => ({
  workloads,
  services: [],
  policies,
});

t.test('policy', async (t) => {
  const mesh = await startExplicitMesh(snapshotWith(onlyFriends));
  const program = await startProgram(server, 8080, echo);
  t.teardown(async () => {
    await mesh.close();
    await program.close();
  });

  await t.test('lets in who it names', async (t) => {
    const client = await mustConnectThrough(friend, server, 8080);
    client.end('x');
    t.equal((await readExactly(client, 1)).toString(), 'x');
    await mesh.logged(2);
  });

  await t.test('refuses everybody else before the program hears of it, and both ends say why', async (t) => {
    const heardOf = program.connections.length;
    t.same(await connectThrough(stranger, server, 8080), { kind: 'refused', reply: 1 });
    t.equal(program.connections.length, heardOf);
    const lines = (await mesh.logged(4)).slice(2);
    const inbound = lines.find(({ direction }) => direction === 'inbound');
    t.match(inbound, { level: 'error', code: 'AUTHORIZATION_DENIED', bytes_sent: 0, 'dst.addr': `${server}:15008` });
    t.match(inbound?.['error'], /^connection closed due to policy rejection: allow policies exist, but none allowed/);
    t.match(inbound?.['error'], /guarded\/only-friends/);
    const outbound = lines.find(({ direction }) => direction === 'outbound');
    t.match(outbound, { level: 'error', code: 'TUNNEL_REFUSED', error: /401/ });
    const failed = await mesh.samples('istio_tcp_connections_failed_total');
    t.same(failed.map(([l, value]) => [l['reporter'], l['source_app'], l['response_flags'], value]).sort(), [
      ['destination', 'stranger', 'DENY', 1],
      ['source', 'stranger', 'CONNECT', 1],
    ]);
  });

  await t.test('that changes closes what it would not let in any more, and only that', async (t) => {
    const client = await mustConnectThrough(friend, server, 8080);
    client.write('x');
    await readExactly(client, 1);
    mesh.mesh.replace(snapshotWith(onlyFriends, aPolicy({ name: 'other', namespace: 'elsewhere', action: 'deny' })));
    client.write('y');
    t.equal((await readExactly(client, 1)).toString(), 'y', 'still allowed');
    mesh.mesh.replace(snapshotWith(onlyFriends, nobody));
    t.equal(await howItEnds(client), 'ECONNRESET');
    const lines = (await mesh.logged(6)).slice(4);
    const inbound = lines.find(({ direction }) => direction === 'inbound');
    t.match(inbound, { code: 'POLICY_CHANGED', error: /^connection closed due to policy change: .*guarded\/nobody/ });
    const closed = await mesh.samples('istio_tcp_connections_closed_total');
    t.ok(closed.some(([l]) => l['reporter'] === 'destination' && l['response_flags'] === 'DENY'));
  });
});

/** A mesh with one open connection from friend to server. */
async function withConnection(t: Pick<typeof import('tap').default, 'teardown'>): Promise<{
  readonly mesh: ExplicitMesh;
  readonly client: Awaited<ReturnType<typeof mustConnectThrough>>;
}> {
  const mesh = await startExplicitMesh(snapshotWith());
  const program = await startProgram(server, 8080, echo);
  t.teardown(async () => {
    await mesh.close();
    await program.close();
  });
  const client = await mustConnectThrough(friend, server, 8080);
  client.write('x');
  await readExactly(client, 1);
  return { mesh, client };
}

t.test('the end of a pod cuts its connections', async (t) => {
  const { mesh, client } = await withConnection(t);
  mesh.mesh.replace({ workloads: workloads.slice(0, 2), services: [], policies: [] });
  t.equal(await howItEnds(client), 'ECONNRESET');
  const lines = await mesh.logged(2);
  t.match(
    lines.find(({ direction }) => direction === 'inbound'),
    { code: 'DRAINED', bytes_recv: 1 },
  );
  const closed = await mesh.samples('istio_tcp_connections_closed_total');
  t.match(closed.find(([l]) => l['reporter'] === 'destination')?.[0], { response_flags: '-' });
});

t.test('a drain takes nothing new and lets what lives finish', async (t) => {
  const { mesh, client } = await withConnection(t);
  const drained = mesh.fleet.drain(60_000);
  await t.rejects(connectThrough(friend, server, 8080), { code: 'ECONNREFUSED' });
  client.write('still');
  t.equal((await readExactly(client, 5)).toString(), 'still');
  client.end();
  await once(client, 'close');
  await drained;
  t.same(
    (await mesh.logged(2)).map(({ level }) => level),
    ['info', 'info'],
  );
});

t.test('a drain cuts what lives when its time is up', async (t) => {
  const { mesh, client } = await withConnection(t);
  const ending = howItEnds(client);
  await mesh.fleet.drain(20);
  t.equal(await ending, 'ECONNRESET');
  const lines = await mesh.logged(2);
  t.ok(lines.every(({ error }) => error !== undefined));
});
