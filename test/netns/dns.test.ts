// The DNS of a pod, captured by the kernel: whatever name server a program asks, ztunnel answers, over UDP and TCP, IPv4 and IPv6.
// What is not of the mesh leaves the pod marked, and is not captured again.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createAnonymousNamespace } from '../../common/net/network-namespace-socket.ts';
import { createPodSocketFactory } from '../../common/net/pod-socket-factory-socket.ts';
import { runInNamespace } from '../../common/net/run-in-namespace-process.ts';
import { defaultRedirect, redirectRuleset } from '../../ztunnel/capture/redirect-rules.ts';
import { createNameServers } from '../../ztunnel/dns/dns-client.ts';
import { listenDns } from '../../ztunnel/dns/dns-server.ts';
import { createPodProxy } from '../../ztunnel/inpod/pod-proxy.ts';
import { anAddress, aQuery, aResponse, decodedQuery, recordsIn } from '../support/dns-messages.ts';
import { startExplicitMesh } from '../support/explicit-mesh.ts';
import { inUserNamespace } from '../support/in-user-namespace.ts';
import { aService, aWorkload } from '../support/mesh-objects.ts';
import { answerOf, type NameServer, startNameServer } from '../support/name-server.ts';
import { createTwoPods, ip, outputOf, type PodNetwork, serveIn } from '../support/pod-network.ts';

const manyAddresses = Array.from({ length: 256 }, (_, index) => `10.9.1.${index}`);

/** What a program gets that asks this name server: records as JSON, or the code of the error. */
async function resolveIn(t: Test, pod: PodNetwork, server: string, name: string, type = 'A'): Promise<unknown> {
  const script = `
    const { Resolver } = require('node:dns').promises;
    const resolver = new Resolver({ timeout: 2000, tries: 1 });
    resolver.setServers(['${server}']);
    resolver.resolve('${name}', '${type}').then(
      (found) => process.stdout.write(JSON.stringify(found)),
      (error) => process.stdout.write(JSON.stringify(error.code)));`;
  return JSON.parse(await outputOf(t, pod, script));
}

/** Of the other pod, on port 53, and reached by its address. */
async function startOutside(t: Test, pod: PodNetwork): Promise<NameServer> {
  await runInNamespace(pod.namespace, ['nft', 'flush', 'ruleset']);
  const sockets = createPodSocketFactory({ namespace: pod.namespace });
  const answer = (query: Buffer): Buffer =>
    query.includes('nowhere')
      ? aResponse(query, { code: 3 })
      : aResponse(query, { answers: [anAddress('www.example.net', query.includes('app') ? pod.v4 : '192.0.2.1', 0)] });
  return await startNameServer(t, answer, { sockets, port: 53, ip: pod.v4 });
}

if (await inUserNamespace(t, import.meta.filename, ['ip', 'nft'])) {
  const [client, other] = await createTwoPods();
  await runInNamespace(client.namespace, ['nft', '-f', '-'], {
    input: redirectRuleset({ ...defaultRedirect, dns: 'capture' }),
  });
  const outside = await startOutside(t, other);
  const mesh = await startExplicitMesh({
    workloads: [aWorkload({ name: 'client', addresses: [client.v4, client.v6] })],
    services: [
      aService({ name: 'web', addresses: ['10.9.0.1', 'fd09::1'] }),
      aService({ name: 'large', addresses: manyAddresses }),
    ],
  });
  const sockets = createPodSocketFactory({ namespace: client.namespace, mark: 1337 });
  const dns = { ...mesh.services.config.dns, serving: 'on', nameServers: [outside.address] } as const;
  const config = {
    ...mesh.services.config,
    mode: { kind: 'shared', zdsSocketPath: '' },
    dns,
    explicitEntry: 'on',
  } as const;
  const name = { namespace: 'default', name: 'client', serviceAccount: 'client' };
  const proxy = createPodProxy({ ...mesh.services, config }, { uid: 'client', name, sockets });
  await proxy.start();
  t.teardown(async () => {
    await proxy.close();
    await mesh.close();
    for (const used of [sockets, client.namespace, other.namespace]) used.close();
  });

  t.test('a name of the mesh is found, even where the name server is not there', async (t) => {
    for (const server of ['10.77.0.99', '[fd77::99]']) {
      t.same(await resolveIn(t, client, server, 'web.default.svc.cluster.local'), ['10.9.0.1'], server);
      t.same(await resolveIn(t, client, server, 'web.default', 'AAAA'), ['fd09::1'], server);
    }
    t.equal(outside.asked.length, 0);
  });

  t.test('an answer that does not fit comes over TCP, which is captured too', async (t) => {
    const found = await resolveIn(t, client, '10.77.0.99', 'large.default.svc.cluster.local');
    t.same([...(found as string[])].sort(), [...manyAddresses].sort());
    const [[, count] = []] = (await mesh.samples('istio_dns_requests_total')).filter(
      ([labels]) => labels['request_protocol'] === 'tcp',
    );
    t.equal(count, 1);
  });

  t.test('another name is asked of the name server of ztunnel, once', async (t) => {
    const before = outside.asked.length;
    t.same(await resolveIn(t, client, '10.77.0.99', 'www.example.net'), ['192.0.2.1']);
    t.equal(await resolveIn(t, client, '10.77.0.99', 'nowhere.example.net'), 'ENOTFOUND');
    t.equal(outside.asked.length, before + 2);
  });

  t.test('the very name server of ztunnel is captured as well, though ztunnel itself asks it', async (t) => {
    const before = outside.asked.length;
    for (let round = 0; round < 5; round++) {
      t.same(await resolveIn(t, client, other.v4, 'www.example.net'), ['192.0.2.1']);
      t.same(await resolveIn(t, client, other.v4, 'web'), ['10.9.0.1']);
    }
    t.equal(outside.asked.length, before + 5);
  });

  t.test("the C library's resolver finds what programs ask it for", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ambientd-test-'));
    const file = join(folder, 'resolv.conf');
    writeFileSync(file, 'nameserver 10.77.0.99\nsearch default.svc.cluster.local svc.cluster.local\noptions ndots:5\n');
    execFileSync('mount', ['--bind', file, '/etc/resolv.conf']);
    t.teardown(() => {
      execFileSync('umount', ['/etc/resolv.conf']);
      rmSync(folder, { recursive: true });
    });
    const lookUp = `require('node:dns').lookup('web', { all: true }, (error, found) =>
      process.stdout.write(error?.code ?? found.map(({ address }) => address).sort().join()))`;
    t.equal(await outputOf(t, client, lookUp), '10.9.0.1,fd09::1');
  });

  t.test('names that are given to the SOCKS5 entry are found in the same way', async (t) => {
    await serveIn(t, other, 8080);
    const ask = (name: string): Promise<string> =>
      outputOf(
        t,
        client,
        `const socket = require('node:net').connect(15080, '127.0.0.1');
         const name = Buffer.from('${name}');
         socket.write(Buffer.concat([Buffer.from([5, 1, 0, 5, 1, 0, 3, name.length]), name, Buffer.from([0x1f, 0x90])]));
         socket.on('data', (bytes) => process.stdout.write(bytes.toString('latin1')));
         socket.on('error', () => {}).on('close', () => process.exit());`,
      );
    const before = outside.asked.length;
    t.match(await ask('app.example.net'), client.v4);
    t.equal(outside.asked.length, before + 1);
    t.notMatch(await ask('nowhere.example.net'), client.v4);
  });

  t.test('what ztunnel sends itself is not captured', async (t) => {
    const answer = await answerOf(await sockets.connectDatagrams(outside.address), aQuery('www.example.net'));
    t.same(recordsIn(answer), ['www.example.net 0 A 192.0.2.1']);
  });

  t.test('a pod without IPv6 on loopback is served on IPv4 alone', async (t) => {
    const namespace = await createAnonymousNamespace();
    await runInNamespace(namespace, ['ip', 'link', 'set', 'lo', 'up']);
    await runInNamespace(namespace, ['sysctl', '-qw', 'net.ipv6.conf.lo.disable_ipv6=1']);
    const alone = createPodSocketFactory({ namespace });
    const listen = { kind: 'loopback', port: 15_053 } as const;
    const server = await listenDns({ sockets: alone, listen, ipv6: 'on', answer: async (message) => message });
    t.equal(String(await answerOf(await alone.connectDatagrams(server.address), Buffer.from('there'))), 'there');
    await server.close();
    alone.close();
  });

  t.test('a name server that no way leads to is a failure at once', async (t) => {
    const began = performance.now();
    for (const to of ['203.0.113.1', '2001:db8::1']) {
      const servers = [{ ip: ip(to), port: 53 }];
      const nameServers = createNameServers({ sockets, servers, timeoutMs: 60_000 });
      await t.rejects(nameServers.ask(decodedQuery(aQuery('www.example.net'))), { code: 'UPSTREAM_UNREACHABLE' });
    }
    t.ok(performance.now() - began < 5_000);
  });

  t.test('a drain leaves the DNS until the last connection has ended, and then it is gone', async (t) => {
    const holding = createPodSocketFactory({ namespace: other.namespace });
    const accepted = Promise.withResolvers<void>();
    const listener = await holding.listenSockets({ port: 9_090, host: 'any' }, ({ socket }) => {
      socket.on('error', () => {}).on('end', () => socket.end());
      socket.resume();
      accepted.resolve();
    });
    const application = createPodSocketFactory({ namespace: client.namespace });
    const socket = await application.connectSocket({ to: { ip: other.v4, port: 9_090 } });
    await accepted.promise;
    const drained = proxy.drain(20_000);
    t.same(await resolveIn(t, client, '10.77.0.99', 'web'), ['10.9.0.1']);
    socket.end();
    socket.resume();
    await drained;
    t.equal(await resolveIn(t, client, '10.77.0.99', 'web'), 'ECONNREFUSED');
    await listener.close();
  });
}
