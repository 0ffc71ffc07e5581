// Our ztunnel and Istio's own as two nodes of one cluster: both know the mesh from istiod, have istiod's certificates and
// serve a pod that our CNI agent handed over. Bytes, ends, aborts, policies and the metrics of both, in both directions.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import type { SocketAddress } from '../../common/net/address.ts';
import { inUserNamespace } from '../support/in-user-namespace.ts';
import { transferInBulk } from './bulk-transfer.ts';
import { eventually } from './eventually.ts';
import { startIstiodMesh } from './istiod-mesh.ts';
import { whyNoLab } from './kubernetes-lab.ts';
import {
  connectFrom,
  digestOf,
  exchange,
  type PodApplication,
  podAddress,
  serviceAddress,
  startApplication,
} from './pod-application.ts';
import type { PodProxy } from './pod-proxy-process.ts';
import { type SeriesChange, tcpChanges, totalsBetween } from './tcp-series.ts';
import { appPorts, forbiddenPort, type MeshPod, mesh } from './two-pod-mesh.ts';

/** Open to nobody, by a policy that allows everything else to the other pod. */
const unlistedPort = 8090;

t.setTimeout(400_000);
const lack = whyNoLab();
if (lack !== undefined) t.test('two nodes under istiod', { skip: lack }, async () => {});
else if (await inUserNamespace(t, import.meta.filename, ['ip', 'nft'])) await t.test('two nodes under istiod', meet);

interface Direction {
  readonly name: string;
  readonly from: PodProxy;
  readonly to: PodProxy;
  /** Of the pod that is called. */
  readonly application: PodApplication;
}

async function meet(t: Test): Promise<void> {
  const policies = [
    allowAllBut(unlistedPort, mesh.ours, mesh.theirs),
    allowAllBut(unlistedPort, mesh.theirs, mesh.ours),
  ];
  const { sides, theirs, ours } = await startIstiodMesh(t, ...policies);
  const [atTheirs, atOurs] = [await startApplication(t, sides.theirs), await startApplication(t, sides.ours)];
  await t.test('both have their certificate from the same CA', async (t) => {
    const [their, our] = [await certificateOf(theirs.proxy), await certificateOf(ours.proxy)];
    t.equal(their.identity, mesh.theirs.identity.uri);
    t.equal(our.identity, mesh.ours.identity.uri);
    t.same(their.roots, our.roots);
  });
  const directions: readonly Direction[] = [
    { name: "from Istio's to ours", from: theirs.proxy, to: ours.proxy, application: atOurs },
    { name: "from ours to Istio's", from: ours.proxy, to: theirs.proxy, application: atTheirs },
  ];
  for (const direction of directions) {
    await t.test(direction.name, async (t) => {
      await carriesBytes(t, direction);
      await endsAsTheyEnd(t, direction);
      await obeysPolicies(t, direction);
      await countsAlike(t, direction);
    });
  }
}

async function carriesBytes(t: Test, { from, to }: Direction): Promise<void> {
  const { pod } = to.side;
  await t.test('1 GB passes intact, and then 1 GB back over the half-closed connection', async (t) => {
    const socket = await connectFrom(t, from.side, serviceAddress(pod, appPorts.bulk));
    const { sent, arrivedAtServer, arrivedAtClient } = await transferInBulk(socket, 1_000_000_000);
    t.equal(arrivedAtServer, sent);
    t.equal(arrivedAtClient, sent);
  });

  await t.test('100 connections at once keep their bytes apart', async (t) => {
    const before = await living(from, to);
    const open = Array.from({ length: 100 }, async (_, index) => {
      const socket = await connectFrom(t, from.side, serviceAddress(pod, appPorts.echoes));
      await greet(socket);
      return { socket, payload: randomBytes(50_000 + index * 1_000) };
    });
    const connections = await Promise.all(open);
    const after = await living(from, to);
    t.same([after.source - before.source, after.destination - before.destination], [100, 100], 'both say so');
    const echoed = connections.map(async ({ socket, payload }) => {
      socket.end(payload);
      return [digestOf(await buffer(socket)), digestOf(payload)];
    });
    for (const [received, sent] of await Promise.all(echoed)) t.equal(received, sent);
  });
}

/** A byte there and back: the connection is open at both ends. */
async function greet(socket: Socket): Promise<void> {
  socket.write('.');
  await once(socket, 'readable');
  socket.read(1);
}

async function endsAsTheyEnd(t: Test, { from, to, application }: Direction): Promise<void> {
  const { pod } = to.side;
  await t.test('a server may end first, and hears its client to the end', async (t) => {
    const payload = randomBytes(1_000_000);
    const heard = application.nextHeard();
    const socket = await connectFrom(t, from.side, podAddress(pod, appPorts.speaksFirst));
    t.equal((await buffer(socket)).toString(), 'welcome');
    socket.end(payload);
    t.same(await heard, { digest: digestOf(payload), from: `::ffff:${from.side.pod.address}` });
  });

  await t.test('a client that resets ends its connection at the server', async (t) => {
    const open = application.echoing();
    const socket = await connectFrom(t, from.side, podAddress(pod, appPorts.echoes));
    socket.write('hello');
    await once(socket, 'data');
    t.equal(application.echoing(), open + 1);
    socket.resetAndDestroy();
    t.equal(await eventually(application.echoing, (now) => now === open), open);
  });

  await t.test('a server that resets ends its connection at the client', async (t) => {
    const socket = await connectFrom(t, from.side, podAddress(pod, appPorts.resets));
    socket.write('hello');
    // Istio's ztunnel passes a reset on as an end: as the source, and as the destination to whatever source.
    t.match(await buffer(socket).then(String, String), /^$|ECONNRESET/);
  });
}

async function obeysPolicies(t: Test, { from, to, application }: Direction): Promise<void> {
  const { pod } = to.side;
  const reasons = [
    ['denies', forbiddenPort, `explicitly denied by: ${pod.namespace}/not-the-other`],
    ['allows anything else', unlistedPort, 'allow policies exist, but none allowed'],
  ] as const;
  for (const [what, port, reason] of reasons) {
    await t.test(`a policy that ${what} refuses`, async (t) => {
      t.match(await sayHello(t, from, podAddress(pod, port)), /^$|ECONNRESET|EPIPE/);
      t.equal(application.forbidden(), 0);
      const says = (log: string, text: string): boolean =>
        log.split('\n').some((each) => each.includes(`:${port} `) && each.includes(`error="${text}`));
      const status = 'http status: 401 Unauthorized';
      t.ok(says(await eventually(from.log, (log) => says(log, status)), status), 'the source says that it was');
      const why = `connection closed due to policy rejection: ${reason}`;
      t.ok(says(await eventually(to.log, (log) => says(log, why)), why), 'the destination says why');
    });
  }
}

async function countsAlike(t: Test, { from, to }: Direction): Promise<void> {
  const { pod } = to.side;
  await t.test('both count the same connections, bytes and failures under the same labels', async (t) => {
    const before = [await from.metrics(), await to.metrics()] as const;
    for (const size of [0, 1, 70_000, 3_000_000]) {
      await exchange(t, from.side, serviceAddress(pod, appPorts.returns), Buffer.alloc(size));
    }
    await sayHello(t, from, serviceAddress(pod, forbiddenPort));
    const changes = async () => [
      tcpChanges(before[0], await from.metrics()),
      tcpChanges(before[1], await to.metrics()),
    ];
    const [source = [], destination = []] = await eventually(changes, (lists) =>
      lists.every((list) => closed(list) === 5),
    );
    t.strictSame(asDestination(source), destination);
    t.same(
      source.map(({ name, value }) => [name, value]),
      [
        ['istio_tcp_connections_closed_total', 4],
        ['istio_tcp_connections_closed_total', 1],
        ['istio_tcp_connections_failed_total', 1],
        ['istio_tcp_connections_opened_total', 5],
        ['istio_tcp_received_bytes_total', 3_070_001],
        ['istio_tcp_sent_bytes_total', 3_070_001],
      ],
    );
  });
}

/** @returns the answer, or what the connection died of, which may come before the client knows that it is connected */
function sayHello(t: Test, { side }: PodProxy, to: SocketAddress): Promise<string> {
  return exchange(t, side, to, Buffer.from('hello')).then(String, String);
}

/** What the other side should have counted: it is the one that denies, the source cannot know why. */
function asDestination(changes: readonly SeriesChange[]): readonly SeriesChange[] {
  const there: Readonly<Record<string, string>> = { source: 'destination', CONNECT: 'DENY' };
  return changes.map(({ labels, ...change }) => ({
    ...change,
    labels: labels.map(
      ([name, value]) =>
        [name, name === 'reporter' || name === 'response_flags' ? (there[value] ?? value) : value] as const,
    ),
  }));
}

function closed(changes: readonly SeriesChange[]): number {
  return changes
    .filter(({ name }) => name === 'istio_tcp_connections_closed_total')
    .reduce((sum, { value }) => sum + value, 0);
}

/** Connections that are open now, as each side reports them. */
async function living(from: PodProxy, to: PodProxy): Promise<{ source: number; destination: number }> {
  const [source, destination] = [from.side.pod, to.side.pod];
  const at = async (proxy: PodProxy, reporter: 'source' | 'destination'): Promise<number> => {
    const totals = totalsBetween(await proxy.metrics(), reporter, source, destination);
    return totals.opened - totals.closed;
  };
  return { source: await at(from, 'source'), destination: await at(to, 'destination') };
}

async function certificateOf(proxy: PodProxy) {
  const certificates = await eventually(proxy.certificates, (list) => list.length > 0);
  const [first] = certificates;
  if (first === undefined) throw new Error(`the proxy of ${proxy.side.pod.name} has no certificate`);
  return first;
}

function allowAllBut(port: number, at: MeshPod, client: MeshPod): string {
  return `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: all-but-${port}, namespace: ${at.namespace} }
spec:
  action: ALLOW
  rules:
  - from: [{ source: { principals: ["${client.identity.uri.slice('spiffe://'.length)}"] } }]
    to: [{ operation: { notPorts: ["${port}"] } }]`;
}
