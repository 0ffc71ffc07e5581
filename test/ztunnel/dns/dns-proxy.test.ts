// The DNS of one pod as its programs meet it: real sockets on loopback, a small name server behind.

import { connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { SocketAddress } from '../../../common/net/address.ts';
import { createPlainSocketFactory } from '../../../common/net/plain-socket-factory-socket.ts';
import { createPodSocketFactory } from '../../../common/net/pod-socket-factory-socket.ts';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { createLocalWorkload } from '../../../ztunnel/connections/local-workload.ts';
import { createNameServers } from '../../../ztunnel/dns/dns-client.ts';
import { createDnsMetrics } from '../../../ztunnel/dns/dns-metrics.ts';
import { createDnsProxy, type DnsProxy } from '../../../ztunnel/dns/dns-proxy.ts';
import { listenDns } from '../../../ztunnel/dns/dns-server.ts';
import { frameMessage } from '../../../ztunnel/dns/message-frames.ts';
import { collectLog } from '../../support/collected-log.ts';
import { anAddress, aQuery, aResponse, headOf, recordsIn } from '../../support/dns-messages.ts';
import { aService, at, aWorkload, meshOf } from '../../support/mesh-objects.ts';
import { askByDatagram, askByStream, startNameServer } from '../../support/name-server.ts';
import { randomFrom } from '../../support/random-from.ts';

const manyAddresses = Array.from({ length: 256 }, (_, index) => `10.9.1.${index}`);
const mesh = meshOf({
  workloads: [aWorkload({ name: 'client', canonicalRevision: 'v1', addresses: ['10.0.0.1'] })],
  services: [
    aService({ name: 'web', addresses: ['10.9.0.1'] }),
    aService({ name: 'large', addresses: manyAddresses }),
    aService({ name: 'idle' }),
  ],
});

interface PodDns {
  readonly address: SocketAddress;
  readonly proxy: DnsProxy;
  readonly lines: readonly Record<string, unknown>[];
  metrics(): Promise<string>;
}

/** Streams of a pod stand on raw handles, those of this process on node's sockets. */
const factories = { plain: createPlainSocketFactory, pod: () => createPodSocketFactory({ namespace: 'own' }) };

interface DnsOptions {
  readonly servers?: readonly SocketAddress[];
  readonly pod?: string;
  readonly factory?: keyof typeof factories;
}

async function startDns(t: Test, { servers = [], pod = 'client', factory = 'pod' }: DnsOptions = {}): Promise<PodDns> {
  const { log, lines } = collectLog();
  const registry = createMetricsRegistry();
  const sockets = factories[factory]();
  const name = { name: pod, namespace: 'default', serviceAccount: pod };
  const nameServers = createNameServers({ sockets, servers, timeoutMs: 1_000 });
  const scope = {
    clusterDomain: 'cluster.local',
    searchDomains: undefined,
    preferredNamespace: undefined,
    ipv6: 'on',
  } as const;
  const workload = createLocalWorkload({ mesh, name, nodeName: undefined, waitMs: 50 });
  const metrics = createDnsMetrics(registry.recorder);
  const proxy = createDnsProxy({ mesh, workload, scope, nameServers, metrics, random: Math.random, log });
  const server = await listenDns({ sockets, listen: { kind: 'loopback', port: 0 }, ipv6: 'off', answer: proxy.answer });
  t.teardown(async () => {
    nameServers.close();
    await server.close();
  });
  return {
    address: server.address,
    proxy,
    lines,
    metrics: async () => (await registry.exposition(undefined)).body,
  };
}

for (const factory of ['plain', 'pod'] as const) {
  t.test(`names of the mesh are answered over UDP and TCP (${factory} sockets)`, async (t) => {
    const { address } = await startDns(t, { factory });
    const answers = [await askByDatagram(address, aQuery('web')), ...(await askByStream(address, aQuery('web')))];
    t.equal(answers.length, 2);
    for (const answer of answers) {
      t.equal(headOf(answer), 'NOERROR aa rd ra');
      t.same(recordsIn(answer), ['web 30 A 10.9.0.1']);
    }
  });
}

t.test('a large answer is cut over UDP, and whole over TCP', async (t) => {
  const { address } = await startDns(t);
  const cut = await askByDatagram(address, aQuery('large.default.svc.cluster.local', 'A', { payloadBytes: 1_232 }));
  t.equal(headOf(cut), 'NOERROR aa tc rd ra');
  t.ok(recordsIn(cut).length >= 70 && cut.length <= 1_232, `${recordsIn(cut).length} in ${cut.length} bytes`);
  const [whole = Buffer.alloc(12)] = await askByStream(address, aQuery('large.default.svc.cluster.local'));
  t.equal(headOf(whole), 'NOERROR aa rd ra');
  t.same(recordsIn(whole), manyAddresses.map((ip) => `large.default.svc.cluster.local 30 A ${ip}`).sort());
});

t.test('addresses come in another order each time', async (t) => {
  const { address } = await startDns(t);
  const orders = new Set<string>();
  for (let round = 0; round < 5; round++) orders.add((await askByStream(address, aQuery('large'))).map(String).join());
  t.equal(orders.size, 5);
});

t.test('what is not of the mesh is asked of the name servers, and so is any other type', async (t) => {
  const server = await startNameServer(t, (query) =>
    aResponse(query, { answers: [anAddress('www.example.net', '192.0.2.1', 77)] }),
  );
  const { address } = await startDns(t, { servers: [server.address] });
  const answer = await askByDatagram(address, aQuery('www.example.net', 'A', { id: 99 }));
  t.equal(answer.readUInt16BE(0), 99);
  t.same(recordsIn(answer), ['www.example.net 77 A 192.0.2.1']);
  await askByDatagram(address, aQuery('web', 'TXT'));
  t.equal(server.asked.length, 2);
});

t.test('a name that does not exist is told as such; no name server is a failure, at once', async (t) => {
  const server = await startNameServer(t, (query) => aResponse(query, { code: 3 }));
  const { address } = await startDns(t, { servers: [server.address] });
  t.equal(headOf(await askByDatagram(address, aQuery('nowhere.example.net'))), 'NXDOMAIN rd ra');
  const alone = await startDns(t);
  t.equal(headOf(await askByDatagram(alone.address, aQuery('nowhere.example.net'), 500)), 'SERVFAIL rd ra');
});

t.test('a pod that the mesh does not know gets a failure', async (t) => {
  const { address } = await startDns(t, { pod: 'stranger' });
  t.equal(headOf(await askByDatagram(address, aQuery('web'))), 'SERVFAIL rd ra');
});

t.test('many queries on one connection are all answered', async (t) => {
  const names = Array.from({ length: 200 }, (_, index) => `name-${index}.example.net`);
  const server = await startNameServer(t, (query) => aResponse(query, { code: 3 }));
  const { address } = await startDns(t, { servers: [server.address] });
  const queries = [...names.map((name, id) => aQuery(name, 'A', { id })), aQuery('web', 'A', { id: 1_000 })];
  const answers = await askByStream(address, ...queries);
  t.same(
    answers.map((answer) => answer.readUInt16BE(0)).sort((a, b) => a - b),
    [...names.keys(), 1_000],
  );
});

t.test('nothing that is sent stops it', async (t) => {
  const { address } = await startDns(t);
  const random = randomFrom(7);
  const sockets = createPlainSocketFactory();
  const socket = await sockets.connectDatagrams(address);
  for (let round = 0; round < 300; round++) {
    const bytes = Buffer.from(Array.from({ length: Math.floor(random() * 60) }, () => random() * 256));
    socket.send(bytes);
    if (round % 50 === 0) await setTimeout(1);
  }
  socket.close();
  for (const bytes of [Buffer.from([0xff, 0xff, 1]), Buffer.from([0]), frameMessage(Buffer.from('no query'))]) {
    const stream = connect({ host: address.ip, port: address.port });
    stream.on('error', () => {});
    stream.end(bytes);
    stream.resume();
    await new Promise((resolve) => void stream.on('close', resolve));
  }
  t.same(recordsIn(await askByDatagram(address, aQuery('web'))), ['web 30 A 10.9.0.1']);
});

t.test('queries are counted by type, transport and who asks; those passed on too, with their time', async (t) => {
  const server = await startNameServer(t, (query) => aResponse(query, { code: query.includes('refused') ? 5 : 3 }));
  const { address, metrics } = await startDns(t, { servers: [server.address] });
  await askByDatagram(address, aQuery('web'));
  await askByStream(address, aQuery('web', 'AAAA'));
  await askByDatagram(address, aQuery('gone.example.net'));
  await askByDatagram(address, aQuery('refused.example.net'));
  const text = await metrics();
  const of = (type: string, transport: string): string =>
    `{request_query_type="${type}",request_protocol="${transport}",source_canonical_service="client",source_canonical_revision="v1"}`;
  const lines = text.split('\n');
  for (const line of [
    `istio_dns_requests_total${of('a', 'udp')} 3`,
    `istio_dns_requests_total${of('aaaa', 'tcp')} 1`,
    `istio_dns_upstream_requests_total${of('a', 'udp')} 2`,
    `istio_dns_upstream_failures_total${of('a', 'udp')} 1`,
    `istio_dns_upstream_request_duration_seconds_count${of('a', 'udp')} 2`,
  ]) {
    t.ok(lines.includes(line), line);
  }
});

t.test('types without a word make one series', async (t) => {
  const { address, metrics } = await startDns(t);
  for (const type of [900, 901, 902]) {
    const query = aQuery('web');
    query.writeUInt16BE(type, query.length - 4);
    await askByDatagram(address, query);
  }
  t.match(await metrics(), /istio_dns_requests_total\{request_query_type="unknown".*\} 3/);
});

t.test('each query is told at level debug', async (t) => {
  const { address, lines } = await startDns(t);
  await askByDatagram(address, aQuery('Web'));
  await askByDatagram(address, aQuery('idle', 'AAAA'));
  await askByDatagram(address, aQuery('elsewhere.example.net'));
  const told = lines.map((line) => [line['query'], line['domain'], line['result'], line['endpoints']]);
  t.match(lines[0], { 'src.workload': 'client', 'src.namespace': 'default', level: 'debug' });
  t.match(told, [
    ['A', 'web.', 'success', 1],
    ['AAAA', 'idle.', 'no records', 0],
    ['A', 'elsewhere.example.net.', /^forwarding failed \(.*no name server\)$/, 0],
  ]);
});

t.test('the explicit entry finds names as programs do', async (t) => {
  const server = await startNameServer(t, (query) =>
    aResponse(query, { answers: [anAddress('www.example.net', '192.0.2.1')] }),
  );
  const { proxy } = await startDns(t, { servers: [server.address] });
  t.match(await proxy.resolve('web', 'A'), { kind: 'addresses', addresses: ['10.9.0.1'] });
  t.match(await proxy.resolve('web', 'AAAA'), { kind: 'no-address', service: { name: 'web' } });
  t.match(await proxy.resolve('www.example.net', 'A'), { kind: 'addresses', addresses: ['192.0.2.1'] });
});

t.test('both addresses of loopback are served, or the one that was asked for', async (t) => {
  const sockets = createPlainSocketFactory();
  const answer = async (message: Buffer): Promise<Buffer> => message;
  const own = await listenDns({ sockets, ipv6: 'on', answer, listen: { kind: 'loopback', port: 15_953 } });
  for (const ip of ['127.0.0.1', '::1']) {
    t.equal(String(await askByDatagram({ ip: at(ip), port: 15_953 }, Buffer.from(ip))), ip);
    t.same((await askByStream({ ip: at(ip), port: 15_953 }, Buffer.from(ip))).map(String), [ip]);
  }
  const taken = { kind: 'address', address: { ip: at('127.0.0.1'), port: 15_953 } } as const;
  await t.rejects(listenDns({ sockets, ipv6: 'on', answer, listen: taken }), { code: 'ADDRESS_IN_USE' });
  await own.close();
  const again = await listenDns({ sockets, ipv6: 'on', answer, listen: taken });
  t.same(again.address, taken.address);
  await again.close();
});
