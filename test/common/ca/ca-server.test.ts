import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import t, { type Test } from 'tap';
import { authorizeRequest, type TokenHolder } from '../../../common/ca/authorize-request.ts';
import { type CaClientOptions, createCaClient } from '../../../common/ca/ca-client.ts';
import { createCaServer } from '../../../common/ca/ca-server.ts';
import { createCertificateAuthority } from '../../../common/identity/certificate-authority.ts';
import { readCertificate } from '../../../common/identity/certificate-facts.ts';
import { createCertificateStore } from '../../../common/identity/certificate-store.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import { formatSocketAddress, type IpAddress, type SocketAddress } from '../../../common/net/address.ts';
import { collectLog } from '../../support/collected-log.ts';

const client = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'client' });
const other = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'other' });
const authority = await createCertificateAuthority({ trustDomain: 'cluster.local' });

t.test('a node gets certificates for its workloads', async (t) => {
  const { askAs, lines } = await setUp(t);
  const issued = await askAs('node', 'node-token').issue(client);
  t.same(readCertificate(issued.chainPem).uris, [client.uri]);
  t.equal(issued.rootsPem, authority.rootsPem);
  t.match(lines.at(-1), { msg: 'certificate issued', identity: client.uri });
});

t.test('a workload gets its own certificate', async (t) => {
  const { askAs } = await setUp(t);
  t.same(readCertificate((await askAs('workload', 'own-token').issue(client)).chainPem).uris, [client.uri]);
});

t.test('the asked validity is granted', async (t) => {
  const { askAs } = await setUp(t);
  const { notAfterMs, notBeforeMs } = await askAs('node', 'node-token', { lifetimeMs: 600_000 }).issue(client);
  t.ok(notAfterMs - notBeforeMs <= 600_000 + 121_000);
});

t.test('a refusal carries status, reason and remedy to the caller and to the log of the CA', async (t) => {
  const { askAs, lines } = await setUp(t);
  const code = 'IDENTITY_UNAVAILABLE';
  await t.rejects(askAs('node', 'node-token').issue(other), {
    code,
    message: /certificate for spiffe:.*other.*PERMISSION_DENIED: no workload of node laptop/,
  });
  t.match(lines.at(-1), { msg: 'certificate refused', status: 'PERMISSION_DENIED', reason: /laptop/ });
  await t.rejects(askAs('node', 'wrong').issue(client), { code, message: /UNAUTHENTICATED: .*; check the token/ });
  await t.rejects(askAs('workload', 'own-token').issue(other), { code, message: /PERMISSION_DENIED/ });
  await t.rejects(askAs('node', 'node-token', { token: { kind: 'none' } }).issue(client), {
    code,
    message: /no token/,
  });
  t.notMatch(JSON.stringify(lines), /node-token|own-token|wrong/, 'and no token');
});

t.test('a CA with another root is not believed', async (t) => {
  const { askAs } = await setUp(t);
  const { rootsPem } = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  const mistaken = askAs('node', 'node-token', { rootCa: { kind: 'literal', text: rootsPem } });
  await t.rejects(mistaken.issue(client), { code: 'IDENTITY_UNAVAILABLE', message: /UNAVAILABLE.*CA_ROOT_CA/ });
});

t.test(
  'a CA under a name that its certificate lacks is not believed, unless the alternative name is in it',
  async (t) => {
    const { askAs } = await setUp(t, ['istiod.istio-system.svc']);
    await t.rejects(askAs('node', 'node-token').issue(client), {
      code: 'IDENTITY_UNAVAILABLE',
      message: /127\.0\.0\.1/,
    });
    const named = askAs('node', 'node-token', { alternativeHostname: 'istiod.istio-system.svc' });
    t.equal((await named.issue(client)).identity, client);
  },
);

t.test('token and root are read from their files for each request', async (t) => {
  const { askAs } = await setUp(t);
  const folder = t.testdir({ token: 'wrong\n', 'root.pem': authority.rootsPem });
  const [token, rootCa] = ['token', 'root.pem'].map((name) => ({ kind: 'file', path: join(folder, name) }) as const);
  if (token === undefined || rootCa === undefined) return;
  const ca = askAs('node', '', { token, rootCa });
  await t.rejects(ca.issue(client), { message: /UNAUTHENTICATED/ });
  writeFileSync(token.path, 'node-token\n');
  t.equal((await ca.issue(client)).identity, client, 'a rotated token is used');
  const stranger = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  writeFileSync(rootCa.path, stranger.rootsPem);
  await t.rejects(ca.issue(client), { message: /UNAVAILABLE/ }, 'and a rotated root too');
  writeFileSync(rootCa.path, 'half written');
  await t.rejects(ca.issue(client), { message: /UNAVAILABLE/ }, 'an unreadable root leaves the last good one');
  const missing = askAs('node', '', { token: { kind: 'file', path: join(folder, 'none') } });
  await t.rejects(missing.issue(client), { message: /cannot read the token from .*none/ });
});

t.test('a new server certificate is shown to who connects from then on', async (t) => {
  const { server, askAs } = await setUp(t);
  const follower = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  const early = askAs('node', 'node-token');
  await early.issue(client);
  server.useCertificate(await follower.issueServerCertificate(['127.0.0.1']));
  t.equal((await early.issue(client)).identity, client, 'who is connected stays so');
  await t.rejects(askAs('node', 'node-token').issue(client), { message: /UNAVAILABLE/ });
  const rootCa = { kind: 'literal', text: follower.rootsPem } as const;
  t.equal((await askAs('node', 'node-token', { rootCa }).issue(client)).identity, client);
});

t.test('an oversized request is refused', async (t) => {
  const { askAs } = await setUp(t);
  const service = 'a'.repeat(70_000);
  const huge = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: service });
  await t.rejects(askAs('node', 'node-token').issue(huge), { message: /RESOURCE_EXHAUSTED/ });
});

t.test('a CA that is not there is named with its address', async (t) => {
  const { server, askAs } = await setUp(t);
  await server.close();
  await t.rejects(askAs('node', 'node-token').issue(client), {
    message: /CA at https:\/\/127\.0\.0\.1:\d+: UNAVAILABLE/,
  });
});

t.test('a CA that hears but does not answer is given up after the timeout', async (t) => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const address = silent.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const { askAs } = await setUp(t);
  const ca = askAs('node', 'node-token', { address: `https://127.0.0.1:${address.port}`, timeoutMs: 200 });
  await t.rejects(ca.issue(client), { message: /DEADLINE_EXCEEDED/ });
});

t.test('its calls share a connection, which is closed when there are none for some time', async (t) => {
  const { server, askAs } = await setUp(t);
  const { port } = server.address;
  const relayed = new Set<Socket>();
  const closed = Promise.withResolvers<void>();
  const relay = createServer((socket) => {
    relayed.add(socket);
    socket.on('close', () => closed.resolve());
    pipeline(socket, connect(port, '127.0.0.1'), socket, () => {});
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  t.teardown(() => relay.close());
  const address = `https://127.0.0.1:${(relay.address() as AddressInfo).port}`;
  const ca = askAs('node', 'node-token', { address, idleMs: 30 });
  const issued = await Promise.all(Array.from({ length: 8 }, () => ca.issue(client)));
  t.equal(new Set(issued.map(({ chainPem }) => chainPem)).size, 8);
  t.equal(relayed.size, 1);
  await closed.promise;
  t.equal((await ca.issue(client)).identity, client, 'and made anew for the next');
  t.equal(relayed.size, 2);
});

t.test('a CA that comes back is found by the next call', async (t) => {
  const { server, askAs } = await setUp(t);
  const ca = askAs('node', 'node-token');
  await ca.issue(client);
  await server.close();
  await t.rejects(ca.issue(client), { message: /UNAVAILABLE: .*; check that the CA runs at CA_ADDRESS/ });
  await setUp(t, ['127.0.0.1'], server.address);
  t.equal((await ca.issue(client)).identity, client);
});

t.test('a token that no header can carry is refused, and not told', async (t) => {
  const { askAs } = await setUp(t);
  const refused = await askAs('node', 'node\ntoken').issue(client).catch(String);
  t.match(refused, /header authorization .*check the token \(AUTH_TOKEN\)/);
  t.notMatch(refused, /node\ntoken/);
});

t.test('a taken port is named', async (t) => {
  const { server } = await setUp(t);
  await t.rejects(setUp(t, ['127.0.0.1'], server.address), { code: 'ADDRESS_IN_USE', message: /127\.0\.0\.1:\d+/ });
});

t.test('a drained CA finishes and ends', async (t) => {
  const { server, askAs } = await setUp(t);
  const ca = askAs('node', 'node-token');
  const issuing = ca.issue(client);
  await issuing;
  await server.drain(100);
  await t.rejects(ca.issue(client), { message: /UNAVAILABLE/ });
});

t.test('a hundred connections at once cause one request to the CA', async (t) => {
  const { askAs, lines, log } = await setUp(t);
  const store = createCertificateStore({ issuer: askAs('node', 'node-token'), log });
  await Promise.all(Array.from({ length: 100 }, () => store.get(client)));
  t.equal(lines.filter(({ msg }) => msg === 'certificate issued').length, 1);
  store.close();
});

async function setUp(t: Test, names: readonly string[] = ['127.0.0.1'], at?: SocketAddress) {
  const tokens = new Map<string, TokenHolder>([
    ['node-token', { kind: 'node', name: 'laptop', identities: new Set([client.uri]) }],
    ['own-token', { kind: 'workload', identity: client }],
  ]);
  const { log, lines } = collectLog();
  const server = createCaServer({
    authority,
    authorize: (ask) => authorizeRequest(tokens, ask),
    tls: await authority.issueServerCertificate(names),
    listen: at ?? { ip: '127.0.0.1' as IpAddress, port: 0 },
    log,
  });
  await server.start();
  t.teardown(() => server.close());
  const askAs = (askAs: 'node' | 'workload', token: string, changes: Partial<CaClientOptions> = {}) => {
    const ca = createCaClient({
      address: `https://${formatSocketAddress(server.address)}`,
      rootCa: { kind: 'literal', text: authority.rootsPem },
      token: { kind: 'literal', text: token },
      clusterId: 'Kubernetes',
      askAs,
      timeoutMs: 5_000,
      ...changes,
    });
    t.teardown(() => ca.close());
    return ca;
  };
  return { server, askAs, lines, log };
}
