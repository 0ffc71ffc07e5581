import { TRUNCATED_RESPONSE } from 'dns-packet';
import t, { type Test } from 'tap';
import type { SocketAddress } from '../../../common/net/address.ts';
import { createPodSocketFactory } from '../../../common/net/pod-socket-factory-socket.ts';
import { createNameServers, type NameServers, type NameServersOptions } from '../../../ztunnel/dns/dns-client.ts';
import { anAddress, aQuery, aResponse, decodedQuery, headOf, recordsIn } from '../../support/dns-messages.ts';
import { at } from '../../support/mesh-objects.ts';
import { startNameServer } from '../../support/name-server.ts';

const name = 'www.example.net';
const query = decodedQuery(aQuery(name));
const found = (query: Buffer): Buffer => aResponse(query, { answers: [anAddress(name, '192.0.2.1', 0)] });
const record = [`${name} 0 A 192.0.2.1`];

function ask(t: Test, servers: readonly SocketAddress[], more: Partial<NameServersOptions> = {}): NameServers {
  const nameServers = createNameServers({
    sockets: createPodSocketFactory({ namespace: 'own' }),
    servers,
    timeoutMs: 2_000,
    ...more,
  });
  t.teardown(() => nameServers.close());
  return nameServers;
}

t.test('a query goes on as it came, under another id and from another port each time', async (t) => {
  const ids = new Set<number>();
  const bodies = new Set<string>();
  const server = await startNameServer(t, (asked) => {
    ids.add(asked.readUInt16BE(0));
    bodies.add(asked.toString('hex', 2));
    return found(asked);
  });
  const servers = ask(t, [server.address]);
  for (let round = 0; round < 8; round++) t.same(recordsIn(await servers.ask(query)), record);
  t.same([...bodies], [query.bytes.toString('hex', 2)]);
  t.ok(ids.size > 4, 'ids are picked at random');
});

t.test('what nobody asked for is not believed', async (t) => {
  const forged = (asked: Buffer): Buffer => aResponse(asked, { answers: [anAddress(name, '203.0.113.6')] });
  const server = await startNameServer(t, (asked) => {
    const otherId = Buffer.from(forged(asked));
    otherId.writeUInt16BE(asked.readUInt16BE(0) ^ 1, 0);
    const otherName = aResponse(aQuery('evil.example.net', 'A', { id: asked.readUInt16BE(0) }));
    return [otherId, otherName, Buffer.alloc(3), asked, found(asked)];
  });
  t.same(recordsIn(await ask(t, [server.address]).ask(query)), record);
});

t.test('an answer that does not fit is fetched over TCP', async (t) => {
  const many = Array.from({ length: 60 }, (_, index) => anAddress(name, `192.0.2.${index}`));
  const server = await startNameServer(t, (asked, transport) =>
    transport === 'tcp' ? aResponse(asked, { answers: many }) : aResponse(asked, { flags: TRUNCATED_RESPONSE }),
  );
  t.equal(recordsIn(await ask(t, [server.address]).ask(query)).length, 60);
  t.same(server.asked, ['udp', 'tcp']);
});

t.test('where TCP does not answer either, a part is passed on as one', async (t) => {
  const server = await startNameServer(t, (asked, transport) =>
    transport === 'tcp' ? Buffer.from('x') : aResponse(asked, { flags: TRUNCATED_RESPONSE }),
  );
  t.equal(headOf(await ask(t, [server.address]).ask(query)), 'NOERROR tc rd ra');
});

t.test('a silent or failing server is followed by the next, and one that does not know is believed', async (t) => {
  const silent = await startNameServer(t, () => undefined);
  const failing = await startNameServer(t, (asked) => aResponse(asked, { code: 2 }));
  const unknowing = await startNameServer(t, (asked) => aResponse(asked, { code: 3 }));
  const never = await startNameServer(t, found);
  const servers = [silent, failing, unknowing, never].map(({ address }) => address);
  t.equal(headOf(await ask(t, servers, { timeoutMs: 800 }).ask(query)), 'NXDOMAIN rd ra');
  t.same(
    [silent, failing, unknowing, never].map(({ asked }) => asked.length),
    [1, 1, 1, 0],
  );
});

t.test('a datagram that was lost is sent again', async (t) => {
  let count = 0;
  const server = await startNameServer(t, (asked) => (++count === 1 ? undefined : found(asked)));
  t.same(recordsIn(await ask(t, [server.address], { timeoutMs: 600 }).ask(query)), record);
});

t.test('a refusal of all is passed on', async (t) => {
  const server = await startNameServer(t, (asked) => aResponse(asked, { code: 5 }));
  t.equal(headOf(await ask(t, [server.address]).ask(query)), 'REFUSED rd ra');
});

t.test('it fails in time where nobody answers, and at once where nobody listens', async (t) => {
  const silent = await startNameServer(t, () => undefined);
  const began = performance.now();
  await t.rejects(ask(t, [silent.address], { timeoutMs: 300 }).ask(query), { code: 'UPSTREAM_CONNECT_TIMEOUT' });
  t.ok(performance.now() - began < 2_000);
  const nobody = { ip: at('127.0.0.1'), port: 1 };
  await t.rejects(ask(t, [nobody], { timeoutMs: 60_000 }).ask(query), { name: 'MeshError', message: /127\.0\.0\.1:1/ });
  await t.rejects(ask(t, []).ask(query), { code: 'UPSTREAM_UNREACHABLE', message: /no name server/ });
});

t.test('no more than so many queries wait', async (t) => {
  const silent = await startNameServer(t, () => undefined);
  const servers = ask(t, [silent.address], { maxQueries: 2, timeoutMs: 60_000 });
  const waiting = [servers.ask(query), servers.ask(query)].map((each) => t.rejects(each, { code: 'DRAINED' }));
  await t.rejects(servers.ask(query), { code: 'UPSTREAM_REFUSED', message: /2 queries/ });
  servers.close();
  await Promise.all(waiting);
});

t.test('what may be kept is asked once', async (t) => {
  const server = await startNameServer(t, (asked) => aResponse(asked, { answers: [anAddress(name, '192.0.2.1', 60)] }));
  const servers = ask(t, [server.address]);
  for (let round = 0; round < 3; round++) await servers.ask(query);
  t.equal(server.asked.length, 1);
});
