// Real capture by the kernel: redirect rules in two pods, and our sockets where ztunnel's would be.
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { IpAddress } from '../../common/net/address.ts';
import { createPodSocketFactory } from '../../common/net/pod-socket-factory-socket.ts';
import { runInNamespace } from '../../common/net/run-in-namespace-process.ts';
import type { AcceptedSocket, Listener, ListenOptions, SocketFactory } from '../../common/net/socket-factory.ts';
import { inUserNamespace } from '../support/in-user-namespace.ts';
import { callFrom, createTwoPods, ip, type PodNetwork, serveIn } from '../support/pod-network.ts';

interface Capture extends Listener {
  /** The next connection that was accepted, in their order. */
  next(): Promise<AcceptedSocket>;
  readonly count: () => number;
}

async function capture(t: Test, factory: SocketFactory, options: ListenOptions): Promise<Capture> {
  const accepted: AcceptedSocket[] = [];
  let taken = 0;
  let wake = (): void => {};
  const listener = await factory.listenSockets(options, (connection) => {
    accepted.push(connection);
    wake();
  });
  t.teardown(async () => {
    for (const { socket } of accepted) socket.destroy();
    await listener.close();
  });
  const next = async (): Promise<AcceptedSocket> => {
    for (;;) {
      const connection = accepted[taken];
      if (connection !== undefined) {
        taken++;
        return connection;
      }
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  return { ...listener, next, count: () => accepted.length };
}

const outbound = { port: 15001, host: 'any', transparent: true, accept: 'redirected' } as const;
const inbound = { port: 15006, host: 'any', transparent: true, accept: 'redirected' } as const;

if (await inUserNamespace(t, import.meta.filename, ['ip', 'nft'])) {
  const [a, b] = await createTwoPods();
  const podA = createPodSocketFactory({ namespace: a.namespace, mark: 1337 });
  const podB = createPodSocketFactory({ namespace: b.namespace, mark: 1337 });
  t.teardown(() => void [podA.close(), podB.close()]);
  const families: readonly (readonly [string, (pod: PodNetwork) => IpAddress])[] = [
    ['IPv4', (pod) => pod.v4],
    ['IPv6', (pod) => pod.v6],
  ];

  for (const [family, addressOf] of families) {
    t.test(`what an application dials arrives on 15001 with its original destination (${family})`, async (t) => {
      const captured = await capture(t, podA, outbound);
      t.equal(captured.transparent, true);
      const answer = callFrom(t, a, addressOf(b), 8080);
      const { socket, peer, originalDestination } = await captured.next();
      t.same(originalDestination, { ip: addressOf(b), port: 8080 });
      t.equal(peer.ip, addressOf(a));
      t.equal(await text(socket), 'hello');
      socket.end('captured');
      t.equal(await answer, 'captured');
    });

    t.test(
      `a marked connection passes out uncaptured, and is captured on 15006 where it arrives (${family})`,
      async (t) => {
        const outgoing = await capture(t, podA, outbound);
        const arriving = await capture(t, podB, inbound);
        const socket = await podA.connectSocket({ to: { ip: addressOf(b), port: 8080 } });
        t.teardown(() => socket.destroy());
        const { peer, originalDestination } = await arriving.next();
        t.same(peer, { ip: addressOf(a), port: socket.localPort });
        t.same(originalDestination, { ip: addressOf(b), port: 8080 });
        t.equal(outgoing.count(), 0);
      },
    );

    t.test(`HBONE's port is not redirected (${family})`, async (t) => {
      const hbone = await capture(t, podB, { port: 15008, host: 'any', transparent: true });
      const socket = await podA.connectSocket({ to: { ip: addressOf(b), port: 15008 } });
      t.teardown(() => socket.destroy());
      const { local, originalDestination } = await hbone.next();
      t.same(local, { ip: addressOf(b), port: 15008 });
      t.same(originalDestination, local);
    });

    t.test(`the application sees the address of its client, not ours (${family})`, async (t) => {
      await serveIn(t, b, 8080);
      const preserved = await podB.connectSocket({ to: { ip: addressOf(b), port: 8080 }, from: addressOf(a) });
      t.match(await text(preserved), addressOf(a));
      const plain = await podB.connectSocket({ to: { ip: addressOf(b), port: 8080 } });
      t.match(await text(plain), addressOf(b));
      t.same([preserved.destroy().destroyed, plain.destroy().destroyed], [true, true]);
    });
  }

  t.test('an application that dials the capture port itself is reset, for it would loop', async (t) => {
    const captured = await capture(t, podA, outbound);
    t.equal(await callFrom(t, a, a.v4, 15001), 'ECONNRESET');
    t.equal(captured.count(), 0);
  });

  t.test('an application that calls its own pod is left alone', async (t) => {
    const captured = await capture(t, podA, outbound);
    await serveIn(t, a, 9090);
    t.match(await callFrom(t, a, a.v4, 9090), a.v4);
    t.equal(captured.count(), 0);
  });

  t.test('two pods listen on one port, and so do two ztunnels in one pod', async (t) => {
    const inA = await capture(t, podA, { port: 15008, host: 'any' });
    const inB = await capture(t, podB, { port: 15008, host: 'any' });
    const second = await capture(t, podB, { port: 15008, host: 'any' });
    t.same(
      [inA, inB, second].map((listener) => listener.address.port),
      [15008, 15008, 15008],
    );
    const alone = createPodSocketFactory({ namespace: b.namespace, reusePort: false });
    await t.rejects(
      alone.listenSockets({ port: 15008, host: 'any' }, () => {}),
      {
        code: 'ADDRESS_IN_USE',
        message: /listening on \*:15008 failed/,
      },
    );
  });

  t.test('idle connections are probed after 180 s on both sides', async (t) => {
    const kept = await capture(t, podB, { port: 15008, host: 'any', keepAlive: true });
    const socket = await podA.connectSocket({ to: { ip: b.v4, port: 15008 } });
    t.teardown(() => socket.destroy());
    await kept.next();
    for (const { namespace } of [a, b]) {
      const rows = await runInNamespace(namespace, [
        'ss',
        '-tnoH',
        'state',
        'established',
        'sport',
        '15008',
        'or',
        'dport',
        '15008',
      ]);
      t.match(rows, /timer:\(keepalive,(3min|2min59)/);
    }
  });

  t.test('a connection that fails says why', async (t) => {
    await t.rejects(podA.connectSocket({ to: { ip: a.v4, port: 1 } }), { code: 'UPSTREAM_REFUSED' });
    await t.rejects(podA.connectSocket({ to: { ip: ip('203.0.113.1'), port: 1 } }), { code: 'UPSTREAM_UNREACHABLE' });
    await runInNamespace(b.namespace, [
      'nft',
      'add table inet t; add chain inet t i { type filter hook input priority 0; }; add rule inet t i tcp dport 81 drop',
    ]);
    // Redirected by the rules of B to 15006 before the filter sees it, so the port that is dropped is this one.
    await runInNamespace(b.namespace, ['nft', 'add rule inet t i tcp dport 15006 drop']);
    await t.rejects(podA.connectSocket({ to: { ip: b.v4, port: 81 }, timeoutMs: 200 }), {
      code: 'UPSTREAM_CONNECT_TIMEOUT',
      message: /connecting to 10\.77\.0\.2:81 failed: no answer within 200 ms/,
    });
  });

  t.test('a pod that is deleted leaves nothing open, so that its namespace ends', async (t) => {
    const before = openSockets();
    const hbone = await podB.listenSockets({ port: 15008, host: 'any' }, ({ socket }) => socket.resume().end());
    const socket = await podA.connectSocket({ to: { ip: b.v4, port: 15008 } });
    socket.resume().end();
    await once(socket, 'close');
    await hbone.close();
    podB.close();
    t.same(namespacesOpen().includes(b.namespace.identity.split(':')[1] ?? ''), false);
    // The kernel takes the namespace apart some time later; its end of the pair of interfaces goes with it.
    while (namespaceHasInterface(await runInNamespace(a.namespace, ['ip', 'link']))) await setTimeout(20);
    t.equal(openSockets(), before);
    t.throws(() => b.namespace.run(() => 0), { message: /closed/ });
  });
}

function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      return [readlinkSync(`/proc/self/fd/${name}`)];
    } catch {
      return [];
    }
  });
}

const openSockets = (): number => descriptors().filter((target) => target.startsWith('socket:')).length;
const namespacesOpen = (): string[] => descriptors().flatMap((target) => /^net:\[(\d+)\]$/.exec(target)?.[1] ?? []);
const namespaceHasInterface = (links: string): boolean => links.includes('eth0');
