// Certificates that are revoked (CRL_PATH), between two of our daemons: as their users see it, at either end, for connections that come and
// for those that there are. The cases are those of ztunnel's own tests (ztunnel.md §14, crl_*).
import type { Socket } from 'node:net';
import t, { type Test } from 'tap';
import {
  connectThrough,
  echo,
  howItEnds,
  mustConnectThrough,
  readExactly,
  startProgram,
} from '../support/tcp-programs.ts';
import { type RevocableZtunnel, startTwoZtunnels } from '../support/two-ztunnels.ts';

const rejections = 'istio_crl_policy_rejections_total';
const closedMetric = 'istio_tcp_connections_closed_total';
const text = /^connection closed: peer certificate revoked by CRL/;

async function converse(client: Socket): Promise<void> {
  client.write('hello');
  if ((await readExactly(client, 5)).toString() !== 'hello') throw new Error('other bytes came back');
}

async function totalOf(ztunnel: RevocableZtunnel, metric: string, labels: Record<string, string>): Promise<number> {
  const samples = await ztunnel.samples(metric);
  const found = samples.filter(([own]) => Object.entries(labels).every(([name, value]) => own[name] === value));
  return found.reduce((sum, [, value]) => sum + value, 0);
}

interface Side {
  readonly reporter: 'source' | 'destination';
  readonly direction: 'inbound' | 'outbound';
  /** Who has the list, and whose certificate is on it. */
  readonly judge: RevocableZtunnel;
  readonly judged: RevocableZtunnel;
  readonly from: string;
}

async function revokes(t: Test, { reporter, direction, judge, judged, from }: Side): Promise<void> {
  const clients = [
    await mustConnectThrough(from, 'server.demo', 80),
    await mustConnectThrough(from, 'server.demo', 80),
  ];
  for (const client of clients) await converse(client);
  t.equal(await totalOf(judge, rejections, { reporter }), 0);

  const endings = Promise.all(clients.map(howItEnds));
  const startMs = performance.now();
  await judge.revoke(judged.certificates);
  t.same(await endings, ['ECONNRESET', 'ECONNRESET']);
  const tookMs = performance.now() - startMs;
  t.ok(tookMs < 5_000, `they ended ${Math.round(tookMs)} ms after the list had changed`);
  const lines = await judge.logged({ code: 'CERTIFICATE_REVOKED' }, 2);
  t.equal(lines.length, 2, 'one line each');
  for (const line of lines) {
    t.match(line, { message: 'connection complete', direction, error: text, bytes_sent: 5, bytes_recv: 5 });
  }
  t.equal(await totalOf(judge, closedMetric, { reporter, response_flags: 'CERT_REVOKED' }), 2);
  t.equal(await totalOf(judge, rejections, { reporter }), 1, 'both were in one tunnel');

  t.equal((await connectThrough(from, 'server.demo', 80)).kind, 'refused', 'a new connection');
  const [, , refused] = await judge.logged({ code: 'CERTIFICATE_REVOKED' }, 3);
  const handshake = direction === 'inbound' ? 'tls handshake error' : 'io error';
  t.match(refused, { direction, error: `${handshake}: invalid peer certificate: Revoked: 127.78.1.` });
  t.ok((await totalOf(judge, rejections, { reporter })) > 1, 'it counts too');
  const elsewhere = reporter === 'source' ? 'destination' : 'source';
  t.equal(await totalOf(judge, rejections, { reporter: elsewhere }), 0);

  await judge.revoke([]);
  const again = await mustConnectThrough(from, 'server.demo', 80);
  await converse(again);
  again.destroy();
}

t.test('revoked peers are refused, and their tunnels end', { timeout: 60_000 }, async (t) => {
  const { client, server } = await startTwoZtunnels(t, '127.78.1', 2);
  const program = await startProgram(server.address, 9898, echo);
  t.teardown(() => program.close());
  const from = client.address;
  t.match((await client.logged({ level: 'warn' }))[0], { message: /crl\.pem cannot be used/ }, 'no list yet');

  await t.test('a client, by the server', async (t) => {
    await revokes(t, { reporter: 'destination', direction: 'inbound', judge: server, judged: client, from });
  });
  await t.test('a server, by the client', async (t) => {
    await revokes(t, { reporter: 'source', direction: 'outbound', judge: client, judged: server, from });
  });
  t.same(await server.samples('istio_crl_untracked_connections_total'), [
    [{ reporter: 'source' }, 0],
    [{ reporter: 'destination' }, 0],
  ]);
});
