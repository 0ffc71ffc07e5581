// The same names are asked of Istio's ztunnel and of ours, which know the same mesh and ask the same name server. Answers, counts
// and log lines are the same, but for what the last tests name.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Answer, AUTHORITATIVE_ANSWER, decode, type RecordType, TRUNCATED_RESPONSE } from 'dns-packet';
import t, { type Test } from 'tap';
import type { CommandLine } from '../../common/net/run-in-namespace-process.ts';
import type { Sample } from '../../deploy/local/prometheus-text.ts';
import { anAddress, aQuery, aResponse, headOf, type QueryMore, recordsIn } from '../support/dns-messages.ts';
import { inUserNamespace } from '../support/in-user-namespace.ts';
import { at } from '../support/mesh-objects.ts';
import { answerOf, answersOf, startNameServer } from '../support/name-server.ts';
import { askedNames, dnsMesh, largeService } from './dns-mesh.ts';
import { eventually } from './eventually.ts';
import { unpackZtunnel, whatIsMissing } from './istio-program-process.ts';
import { type PodProxy, startPodProxy } from './pod-proxy-process.ts';
import { createSides, type PodSide } from './pod-side.ts';

const dns = { ip: at('127.0.0.1'), port: 15_053 };
const resolvConf = 'nameserver 127.0.0.1\nsearch ns1.svc.cluster.local svc.cluster.local cluster.local extra.test\n';

/** What is behind both: every name has an address, but for those that say otherwise. */
function outside(query: Buffer, transport: 'udp' | 'tcp'): Buffer {
  const [{ name, type } = { name: '', type: 'A' }] = decode(query).questions ?? [];
  if (name.startsWith('nowhere')) return aResponse(query, { code: 3 });
  if (name.startsWith('refused')) return aResponse(query, { code: 5 });
  const isLarge = name.startsWith('large');
  if (isLarge && transport === 'udp') return aResponse(query, { flags: TRUNCATED_RESPONSE });
  const addresses = Array.from({ length: isLarge ? 60 : 1 }, (_, index) =>
    type === 'A' ? `192.0.2.${index}` : `2001:db8::${index + 1}`,
  );
  const answers =
    type === 'A' || type === 'AAAA' ? addresses.map((ip) => anAddress(name, ip, 77)) : [otherRecord(name, type)];
  return aResponse(query, {
    answers,
    flags: AUTHORITATIVE_ANSWER,
    additionals: [anAddress('ns.test', '192.0.2.53', 9)],
  });
}

function otherRecord(name: string, type: string): Answer {
  const record = { name, ttl: 77 };
  switch (type) {
    case 'SRV':
      return { ...record, type, data: { port: 80, target: 'target.test' } };
    case 'CNAME':
      return { ...record, type, data: 'alias.test' };
    default:
      return { ...record, type: 'TXT', data: 'words' };
  }
}

async function start(t: Test, side: PodSide, command: CommandLine, folder: string): Promise<PodProxy> {
  await startNameServer(t, outside, { sockets: side.asProxy, port: 53 });
  return await startPodProxy(t, {
    side,
    command,
    cwd: folder,
    env: {
      ...{ PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'ns1/client/default', NODE_NAME: 'n', PACKET_MARK: '1337' },
      // Neither needs a certificate here: ours does not ask for one, theirs makes it up.
      ...{
        XDS_ADDRESS: '',
        LOCAL_XDS_PATH: join(folder, 'mesh.yaml'),
        CA_ADDRESS: 'https://127.0.0.1:1',
        FAKE_CA: 'true',
      },
      ...{ PREFERED_SERVICE_NAMESPACE: 'preferred', RUST_LOG: 'info,dns=debug', ZTUNNEL_WORKER_THREADS: '1' },
    },
  });
}

async function askUdp({ side }: PodProxy, query: Buffer): Promise<Buffer> {
  return await answerOf(await side.asProxy.connectDatagrams(dns), query, 8_000);
}

async function askTcp({ side }: PodProxy, query: Buffer): Promise<Buffer> {
  const [answer = Buffer.alloc(12)] = await answersOf(await side.asProxy.connectSocket({ to: dns }), [query]);
  return answer;
}

/** Without what a client does not look at: letters of names, and whether there is recursion where nothing was found. */
function describe(answer: Buffer): unknown {
  const records = recordsIn(answer).map((record) => record.toLowerCase());
  const head = headOf(answer);
  return {
    head: records.length === 0 ? head.replace(' ra', '') : head,
    records,
    additionals: recordsIn(answer, 'additionals'),
  };
}

function countsOf(samples: readonly Sample[], name: string): Readonly<Record<string, number>> {
  const own = samples.filter((sample) => sample.name === name);
  const entries = own.map(({ labels, value }) => [Object.values(labels).sort().join(' '), value] as const);
  return Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** What is told of queries that the mesh answered; what theirs counts as endpoints is not how many were found. */
function told(log: string): readonly string[] {
  const lines = [...log.matchAll(/(src\.workload=.* query="[A-Z]+" domain="[^"]*" result="[^("]*")/g)];
  return lines
    .map(([, fields = '']) => fields)
    .filter((line) => !line.includes('forward'))
    .sort();
}

async function compare(t: Test): Promise<void> {
  const { folder, program } = unpackZtunnel();
  writeFileSync(join(folder, 'mesh.yaml'), dnsMesh);
  writeFileSync(join(folder, 'resolv.conf'), resolvConf);
  execFileSync('mount', ['--bind', join(folder, 'resolv.conf'), '/etc/resolv.conf']);
  const sides = await createSides(t);
  const ourMain = join(import.meta.dirname, '../../ztunnel/main.ts');
  const [theirs, ours] = [
    await start(t, sides.theirs, [program], folder),
    await start(t, sides.ours, [process.execPath, ourMain, 'proxy', 'ztunnel'], folder),
  ];
  const both = async (t: Test, about: string, ask: (proxy: PodProxy) => Promise<Buffer>): Promise<void> => {
    const [their, our] = [await ask(theirs), await ask(ours)];
    t.strictSame(describe(our), describe(their), about);
  };
  const query = async (t: Test, name: string, type: RecordType = 'A', more: QueryMore = {}): Promise<void> =>
    await both(t, `${name} ${type}`, (proxy) => askUdp(proxy, aQuery(name, type, more)));

  await t.test('names of the mesh, and names that only look like it', async (t) => {
    for (const name of askedNames) for (const type of ['A', 'AAAA'] as const) await query(t, name, type);
  });

  await t.test('other types, and names from outside', async (t) => {
    for (const type of ['TXT', 'SRV', 'CNAME'] as const) await query(t, 'productpage', type);
    for (const name of ['www.outside.test', 'nowhere.test', 'refused.test']) await query(t, name);
  });

  await t.test('with EDNS', async (t) => {
    await query(t, 'productpage', 'A', { payloadBytes: 1_232 });
    await query(t, 'productpage.ns2', 'AAAA', { payloadBytes: 100 });
  });

  await t.test('over TCP, and what does not fit over UDP', async (t) => {
    for (const name of ['productpage', largeService, 'large.outside.test']) {
      await both(t, name, (proxy) => askTcp(proxy, aQuery(name)));
    }
    for (const proxy of [theirs, ours]) {
      const answer = await askUdp(proxy, aQuery(largeService, 'A', { payloadBytes: 1_232 }));
      t.equal(headOf(answer), 'NOERROR aa tc rd ra');
      t.ok(answer.length <= 1_232 && recordsIn(answer).length > 60);
    }
  });

  await t.test('what is no query', async (t) => {
    const messages = {
      cut: aQuery('a.net').subarray(0, 18),
      loop: Buffer.from('123401000001000000000000c00c00010001', 'hex'),
    };
    for (const [about, message] of Object.entries(messages)) {
      for (const proxy of [theirs, ours]) t.equal(headOf(await askUdp(proxy, message)).split(' ')[0], 'FORMERR', about);
    }
    const notify = aQuery('a.net');
    notify.writeUInt16BE(0x2000, 2);
    for (const proxy of [theirs, ours]) t.equal(headOf(await askUdp(proxy, notify)).split(' ')[0], 'NOTIMP');
  });

  await t.test('the same is counted, and told', async (t) => {
    const [their, our] = [await theirs.metrics(), await ours.metrics()];
    for (const name of ['istio_dns_requests_total', 'istio_dns_upstream_requests_total']) {
      t.strictSame(countsOf(our, name), countsOf(their, name), name);
      t.ok(Object.keys(countsOf(our, name)).length >= 4, `${name} has series`);
    }
    const durations = 'istio_dns_upstream_request_duration_seconds_count';
    t.strictSame(countsOf(our, durations), countsOf(their, durations), durations);
    const theirLines = told(theirs.log());
    const ourLines = await eventually(
      async () => told(ours.log()),
      (lines) => lines.length >= theirLines.length,
    );
    t.strictSame(ourLines, theirLines);
    t.ok(theirLines.length > 60);
  });

  await t.test('where ours differs: a failure is one only where no name server gave an answer', async (t) => {
    const failures = 'istio_dns_upstream_failures_total';
    t.same(countsOf(await ours.metrics(), failures), { 'a client udp v1': 1 }, 'refused.test');
    const their = countsOf(await theirs.metrics(), failures)['a client udp v1'] ?? 0;
    t.ok(their >= 2, 'theirs counts names that do not exist, too');
  });

  await t.test('where ours differs: without EDNS a datagram has 512 bytes at most', async (t) => {
    t.ok((await askUdp(ours, aQuery(largeService))).length <= 512);
    t.ok((await askUdp(theirs, aQuery(largeService))).length > 512);
  });
}

const missing = whatIsMissing();
if (missing !== undefined) t.test('DNS', { skip: missing }, async () => {});
else if (await inUserNamespace(t, import.meta.filename, ['ip', 'nft', 'setpriv'])) {
  t.test("DNS of Istio's ztunnel and of ours", compare);
}
