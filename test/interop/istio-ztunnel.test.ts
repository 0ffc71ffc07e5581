// Our ztunnel and Istio's own, as they would meet in a cluster: each serves a pod whose traffic the kernel redirects to it,
// and each has its certificate from our CA by Istio's CreateCertificate call.
import { randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { createTunnelPool } from '../../common/hbone/tunnel-pool.ts';
import type { CertificateSource } from '../../common/identity/certificate.ts';
import { createCertificateAuthority } from '../../common/identity/certificate-authority.ts';
import type { Identity } from '../../common/identity/identity.ts';
import type { SocketAddress } from '../../common/net/address.ts';
import type { Sample } from '../../deploy/local/prometheus-text.ts';
import { collectLog } from '../support/collected-log.ts';
import { inUserNamespace } from '../support/in-user-namespace.ts';
import { eventually } from './eventually.ts';
import { unpackZtunnel, whatIsMissing } from './istio-program-process.ts';
import { startIstioZtunnel } from './istio-ztunnel.ts';
import { type MeshCa, startMeshCa } from './mesh-ca.ts';
import { startOurZtunnel } from './our-ztunnel.ts';
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
import { createSides, type PodSide } from './pod-side.ts';
import { closedWithFlag, mutualTlsSeries, plainSeries, totalsBetween, totalsSince } from './tcp-series.ts';
import {
  appPorts,
  disguisedMesh,
  forbiddenPort,
  mesh,
  serviceOf,
  type TwoPodMesh,
  trustDomain,
} from './two-pod-mesh.ts';

const missing = whatIsMissing();
if (missing !== undefined) {
  t.test("Istio's ztunnel and ours", { skip: missing }, async () => {});
} else if (await inUserNamespace(t, import.meta.filename, ['ip', 'nft'])) {
  t.test("Istio's ztunnel and ours", { timeout: 90_000 }, meet);
}

/** What an application gets of a connection that its proxy could not bring to the other side. */
const brokenOff = {
  byOurs: /ECONNRESET|EPIPE/,
  /** It drops the socket: the kernel resets it if bytes were unread, else it ends. */
  byTheirs: /^$|ECONNRESET|EPIPE/,
} as const;

interface Direction {
  readonly name: string;
  readonly from: PodProxy;
  readonly to: PodProxy;
  /** Of the pod that is called. */
  readonly application: PodApplication;
  /** How the caller's log tells a 401. */
  readonly refusal: RegExp;
  /** What its application gets then. */
  readonly brokenOff: RegExp;
}

async function meet(t: Test): Promise<void> {
  const files = unpackZtunnel();
  const sides = await createSides(t);
  const ca = await startMeshCa(t, [sides.theirs, sides.ours], files.folder, 15012);
  const atTheirs = await startApplication(t, sides.theirs);
  const atOurs = await startApplication(t, sides.ours);
  const startTheirs = (ca: MeshCa, mesh: TwoPodMesh) => startIstioZtunnel(t, files, sides.theirs, ca, mesh);
  const theirs = await startTheirs(ca, mesh);
  const ours = await startOurZtunnel(t, files.folder, sides.ours, ca, mesh);
  const directions: readonly Direction[] = [
    {
      name: "from Istio's to ours",
      from: theirs,
      to: ours,
      application: atOurs,
      refusal: /http status: 401/,
      brokenOff: brokenOff.byTheirs,
    },
    {
      name: "from ours to Istio's",
      from: ours,
      to: theirs,
      application: atTheirs,
      refusal: /401.*TUNNEL_REFUSED/,
      brokenOff: brokenOff.byOurs,
    },
  ];
  const idle = await Promise.all(directions.map((direction) => idleConnection(t, direction)));

  await t.test('both have their certificate from our CA', async (t) => {
    for (const { side, certificates } of [theirs, ours]) {
      t.match(await certificates(), [{ identity: side.pod.identity.uri, roots: [fingerprint(ca.authority.rootsPem)] }]);
    }
    const issued = ca.lines.filter(({ msg }) => msg === 'certificate issued').map(({ identity }) => identity);
    t.same(issued.sort(), [mesh.ours.identity.uri, mesh.theirs.identity.uri], 'one for each');
  });

  for (const direction of directions) {
    await t.test(direction.name, async (t) => {
      await carriesBytes(t, direction);
      await survivesAborts(t, direction);
      await countsAlike(t, direction);
      await obeysPolicy(t, direction);
      await refusesStranger(t, direction, ca);
    });
  }

  await t.test('tunnels without traffic stay open, for each proxy answers the PINGs of the other', async (t) => {
    for (const { socket, openedAtMs } of idle) {
      await setTimeout(Math.max(0, openedAtMs + 12_000 - performance.now()));
      socket.write('still there?');
      t.equal(String((await once(socket, 'data'))[0]), 'still there?');
      socket.destroy();
    }
  });

  await t.test('nothing passed in plain text, and both have the same metrics', async (t) => {
    const [atTheirs, atOurs] = [await theirs.metrics(), await ours.metrics()];
    t.same([...plainSeries(atTheirs), ...plainSeries(atOurs)], []);
    t.same(namesOf(atOurs), namesOf(atTheirs));
  });

  const exchanges = {
    fromTheirs: () => sayHello(t, sides.theirs, podAddress(mesh.ours, appPorts.returns)),
    fromOurs: () => sayHello(t, sides.ours, podAddress(mesh.theirs, appPorts.returns)),
  };
  await t.test('a server whose certificate has another root is refused, by either', async (t) => {
    await theirs.stop();
    const strangers = await startMeshCa(t, [sides.theirs], files.folder, 15013);
    const stranger = await startTheirs(strangers, mesh);
    t.match(await exchanges.fromTheirs(), brokenOff.byTheirs);
    await says(t, stranger, /direction="outbound".*error="io error: invalid peer certificate/);
    t.match(await exchanges.fromOurs(), brokenOff.byOurs);
    await says(t, ours, /direction="outbound".*error="io error: TLS with 10\.77\.0\.1:15008 failed.*code="TLS_FAILED"/);
    await stranger.stop();
  });

  await t.test('a server that is not who the mesh says it is is refused, by either', async (t) => {
    const impostor = await startTheirs(ca, disguisedMesh);
    t.match(await exchanges.fromTheirs(), brokenOff.byTheirs);
    await says(t, impostor, /peer did not present the expected SAN \(.*nobody.*our-account/);
    t.match(await exchanges.fromOurs(), brokenOff.byOurs);
    await says(t, ours, /did not present the expected SAN.*their-account.*impostor.*code="PEER_IDENTITY_MISMATCH"/);
    await impostor.stop();
  });

  await t.test('a proxy that comes back with the right certificate is reached again', async (t) => {
    const returned = await startTheirs(ca, mesh);
    for (const answer of [await exchanges.fromTheirs(), await exchanges.fromOurs()]) t.equal(answer, 'hello');
    t.equal(await ours.stop(), 0, 'ours ends in order while tunnels are open');
    t.equal(await returned.stop(), 0);
  });
}

/** One that was used once and then falls silent. */
async function idleConnection(t: Test, { from, to }: Direction): Promise<{ socket: Socket; openedAtMs: number }> {
  const socket = await connectFrom(t, from.side, serviceAddress(to.side.pod, appPorts.echoes));
  socket.write('first');
  await once(socket, 'data');
  return { socket, openedAtMs: performance.now() };
}

async function carriesBytes(t: Test, { from, to, application }: Direction): Promise<void> {
  const { pod } = to.side;
  const addresses = [
    ["the pod's address", podAddress],
    ["its service's address", serviceAddress],
  ] as const;
  for (const [name, addressOf] of addresses) {
    await t.test(`bytes pass intact by ${name}, and a half-close with them`, async (t) => {
      // More than the windows of a stream (4 MiB) and of a tunnel (16 MiB).
      const payload = randomBytes(20_000_000);
      const answer = await exchange(t, from.side, addressOf(pod, appPorts.returns), payload);
      t.equal(digestOf(answer), digestOf(payload));
    });
  }

  await t.test('a server may speak first and end first, and sees its client by address', async (t) => {
    const payload = randomBytes(1_000_000);
    const heard = application.nextHeard();
    const socket = await connectFrom(t, from.side, serviceAddress(pod, appPorts.speaksFirst));
    t.equal((await buffer(socket)).toString(), 'welcome');
    socket.end(payload);
    t.same(await heard, { digest: digestOf(payload), from: viaIpv6(from.side.pod.address) });
  });

  await t.test('20 connections at once keep their bytes apart', async (t) => {
    const digests = Array.from({ length: 20 }, async (_, index) => {
      const payload = randomBytes(1 + index * 50_000);
      const answer = await exchange(t, from.side, serviceAddress(pod, appPorts.echoes), payload);
      return [digestOf(answer), digestOf(payload)];
    });
    for (const [received, sent] of await Promise.all(digests)) t.equal(received, sent);
  });

  await t.test('a client that does not read holds up none but itself', async (t) => {
    const payload = randomBytes(20_000_000);
    const slow = await connectFrom(t, from.side, podAddress(pod, appPorts.echoes));
    slow.end(payload);
    const other = randomBytes(1_000_000);
    t.equal(digestOf(await exchange(t, from.side, podAddress(pod, appPorts.returns), other)), digestOf(other));
    t.equal(digestOf(await buffer(slow)), digestOf(payload));
  });
}

async function survivesAborts(t: Test, { from, to, application }: Direction): Promise<void> {
  const [source, destination] = [from.side.pod, to.side.pod];
  await t.test('connections that their clients reset end at the server too', async (t) => {
    const reset = Array.from({ length: 10 }, async () => {
      const socket = await connectFrom(t, from.side, podAddress(destination, appPorts.echoes));
      socket.write('hello');
      await once(socket, 'data');
      return socket;
    });
    for (const socket of await Promise.all(reset)) socket.resetAndDestroy();
    t.equal(await eventually(application.echoing, (open) => open === 1), 1, 'the idle one');
  });

  // Istio's own end of such a connection stays now and then (about 1 of 200), so that only ours is looked at.
  const living = async (): Promise<number> => {
    const [proxy, reporter] = source === mesh.ours ? [from, 'source' as const] : [to, 'destination' as const];
    const { opened, closed } = totalsBetween(await proxy.metrics(), reporter, source, destination);
    return opened - closed;
  };
  await t.test(
    'connections that are aborted when all is full leave none with us, and the tunnel as it was',
    async (t) => {
      t.equal(await eventually(living, (count) => count === 1), 1, 'the idle one');
      // Clients that do not read while they write: all that can hold bytes is full, both ways, when they go.
      const stuck = randomBytes(20_000_000);
      const aborted = Array.from({ length: 12 }, async () => {
        const socket = await connectFrom(t, from.side, podAddress(destination, appPorts.echoes));
        socket.write(stuck);
        await once(socket, 'readable');
        await setTimeout(200);
        socket.destroy();
      });
      await Promise.all(aborted);
      t.equal(await eventually(living, (count) => count === 1), 1);
      const payload = randomBytes(20_000_000);
      const answer = await exchange(t, from.side, podAddress(destination, appPorts.returns), payload);
      t.equal(digestOf(answer), digestOf(payload));
    },
  );
}

async function countsAlike(t: Test, { from, to }: Direction): Promise<void> {
  const [source, destination] = [from.side.pod, to.side.pod];
  const totals = async () => ({
    source: totalsBetween(await from.metrics(), 'source', source, destination),
    destination: totalsBetween(await to.metrics(), 'destination', source, destination),
  });

  await t.test('both count the same connections and bytes, with both identities', async (t) => {
    const before = await totals();
    const sizes = [0, 1, 70_000, 3_000_000];
    for (const size of sizes) {
      await exchange(t, from.side, serviceAddress(destination, appPorts.returns), Buffer.alloc(size));
    }
    const since = async () => {
      const after = await totals();
      return {
        source: totalsSince(before.source, after.source),
        destination: totalsSince(before.destination, after.destination),
      };
    };
    const counted = await eventually(since, ({ source, destination }) => source.closed + destination.closed === 8);
    const expected = { opened: 4, closed: 4, received: 3_070_001, sent: 3_070_001 };
    t.same(counted, { source: expected, destination: expected });
  });

  await t.test('both describe a connection in the same words', async (t) => {
    const ends = [
      mutualTlsSeries(await from.metrics(), 'source', source, destination),
      mutualTlsSeries(await to.metrics(), 'destination', source, destination),
    ];
    // Which service was meant a file of resources does not tell Istio's, at the receiving end (ztunnel.md §13).
    const words = ends.map((series) =>
      Object.entries(series[0]?.labels ?? {}).filter(
        ([label]) => label !== 'reporter' && !label.startsWith('destination_service'),
      ),
    );
    t.strictSame(words[0], words[1]);
    t.equal(words[0]?.length, 27 - 4);
    t.ok(ends[0]?.some(({ labels }) => labels['destination_service'] === serviceOf(destination)));
  });
}

async function obeysPolicy(t: Test, { from, to, application, refusal, brokenOff: expected }: Direction): Promise<void> {
  const [source, destination] = [from.side.pod, to.side.pod];
  await t.test('a policy of the called pod refuses the identity, and both tell it', async (t) => {
    t.match(await sayHello(t, from.side, podAddress(destination, forbiddenPort)), expected);
    t.equal(application.forbidden(), 0);
    const flags = async () => [
      closedWithFlag(mutualTlsSeries(await from.metrics(), 'source', source, destination), 'CONNECT'),
      closedWithFlag(mutualTlsSeries(await to.metrics(), 'destination', source, destination), 'DENY'),
    ];
    t.same(await eventually(flags, ([atSource, atDestination]) => atSource === 1 && atDestination === 1), [1, 1]);
    await says(t, from, refusal);
    await says(t, to, /policy rejection: explicitly denied by: \w+\/not-the-other/);
  });
}

/** It trusts the mesh, and claims an identity of the mesh that another CA has signed. */
async function refusesStranger(t: Test, { from, to }: Direction, ca: MeshCa): Promise<void> {
  await t.test('a client whose certificate has another root is refused', async (t) => {
    const other = await createCertificateAuthority({ trustDomain });
    const issue = async (identity: Identity) => ({
      ...(await other.issue(identity)),
      rootsPem: ca.authority.rootsPem,
    });
    const certificates: CertificateSource = { get: issue, list: () => [], close() {} };
    const { log } = collectLog();
    const pool = createTunnelPool({ sockets: from.side.asProxy, certificates, log });
    t.teardown(() => pool.close());
    const target = {
      nextHop: podAddress(to.side.pod, 15008),
      source: from.side.pod.identity,
      expected: [to.side.pod.identity],
      sourceIp: undefined,
      nextHopUid: '',
    };
    await t.rejects(pool.connect(target, `${to.side.pod.address}:${appPorts.returns}`, []));
    await says(t, to, /connection failed.*TLS_FAILED|tls handshake error: .*[cC]ertificate/);
  });
}

/** @returns the answer, or what the connection died of */
async function sayHello(t: Test, side: PodSide, to: SocketAddress): Promise<string> {
  try {
    return `${await exchange(t, side, to, Buffer.from('hello'))}`;
  } catch (error) {
    return String(error);
  }
}

async function says(t: Test, { log, side }: PodProxy, pattern: RegExp): Promise<void> {
  const text = await eventually(log, (lines) => pattern.test(lines));
  const found = text.split('\n').find((line) => pattern.test(line));
  t.ok(found, `the log of ${side.pod.name} has a line like ${pattern}`, { lastLines: text.slice(-2_000) });
}

function fingerprint(pem: string): string {
  return new X509Certificate(pem).fingerprint256;
}

function namesOf(samples: readonly Sample[]): readonly string[] {
  return [...new Set(samples.map(({ name }) => name).filter((name) => name.startsWith('istio_tcp_')))].sort();
}

/** As a dual-stack listener shows an IPv4 client. */
function viaIpv6(address: string): string {
  return `::ffff:${address}`;
}
