import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import t, { type Test } from 'tap';
import type { WorkloadCertificate } from '../../../common/identity/certificate.ts';
import { createCertificateAuthority } from '../../../common/identity/certificate-authority.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import { secureContextOf } from '../../../common/tls/secure-context-socket.ts';
import { secureAsClient } from '../../../common/tls/tls-client.ts';
import { secureAsServer } from '../../../common/tls/tls-server.ts';

const authority = await createCertificateAuthority({ trustDomain: 'cluster.local' });
const otherAuthority = await createCertificateAuthority({ trustDomain: 'cluster.local' });
const sleep = identityOf({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'sleep' });
const web = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' });
const sleepCertificate = await authority.issue(sleep);
const webCertificate = await authority.issue(web);

async function transport(t: Test): Promise<{ dialled: Socket; accepted: Socket }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepting = once(server, 'connection');
  const dialled = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  const [accepted] = (await accepting) as [Socket];
  await once(dialled, 'connect');
  t.teardown(() => {
    dialled.destroy();
    accepted.destroy();
    server.close();
  });
  return { dialled, accepted };
}

async function shake(t: Test, client: WorkloadCertificate, server: WorkloadCertificate, expected = [server.identity]) {
  const { dialled, accepted } = await transport(t);
  const timeoutMs = 10_000;
  const [clientSide, serverSide] = await Promise.allSettled([
    secureAsClient({ socket: dialled, certificate: client, expected, timeoutMs, peerName: '10.0.0.9:15008' }),
    secureAsServer({ socket: accepted, certificate: server, timeoutMs, peerName: '10.0.0.1:4000' }),
  ]);
  return { clientSide, serverSide };
}

t.test('both ends learn who the other is, over TLS 1.3 with h2 and without a server name', async (t) => {
  const { clientSide, serverSide } = await shake(t, sleepCertificate, webCertificate);
  if (clientSide.status !== 'fulfilled' || serverSide.status !== 'fulfilled') throw new Error('no handshake');
  t.equal(clientSide.value.peer.uri, web.uri);
  t.equal(serverSide.value.peer.uri, sleep.uri);
  const socket = serverSide.value.socket;
  t.equal(socket.getProtocol(), 'TLSv1.3');
  t.match(socket.getCipher().standardName, /^TLS_AES_(256_GCM_SHA384|128_GCM_SHA256)$/);
  t.equal(socket.alpnProtocol, 'h2');
  t.notOk(Reflect.get(socket, 'servername'));
});

t.test(
  'other protocols than the tunnel’s are agreed on in the server’s order, or none where it offers none',
  async (t) => {
    const agree = async (client: readonly string[], server: readonly string[]): Promise<unknown> => {
      const { dialled, accepted } = await transport(t);
      const common = { timeoutMs: 10_000, peerName: 'the other' };
      const expected = [webCertificate.identity];
      const [secured] = await Promise.all([
        secureAsClient({ ...common, socket: dialled, certificate: sleepCertificate, expected, protocols: client }),
        secureAsServer({ ...common, socket: accepted, certificate: webCertificate, protocols: server }),
      ]);
      return secured.socket.alpnProtocol;
    };
    t.equal(await agree(['istio', 'h2'], ['istio-peer-exchange', 'h2', 'istio']), 'h2');
    t.equal(await agree(['istio-peer-exchange', 'istio'], ['h2', 'istio']), 'istio');
    t.equal(await agree(['istio-peer-exchange', 'istio'], []), false);
  },
);

t.test('a server with an unexpected identity is refused, naming both', async (t) => {
  const { clientSide } = await shake(t, sleepCertificate, webCertificate, [sleep]);
  t.match(clientSide, { status: 'rejected', reason: { code: 'PEER_IDENTITY_MISMATCH' } });
  if (clientSide.status !== 'rejected') return;
  t.match(clientSide.reason.message, '10.0.0.9:15008');
  t.match(clientSide.reason.message, `expected SAN (${sleep.uri}), got ${web.uri}`);
});

t.test('a server of another root is refused by the client', async (t) => {
  const { clientSide } = await shake(t, sleepCertificate, await otherAuthority.issue(web));
  t.match(clientSide, { status: 'rejected', reason: { code: 'TLS_FAILED' } });
});

t.test('a client of another root is refused by the server', async (t) => {
  const foreign = await otherAuthority.issue(sleep);
  const { serverSide } = await shake(t, { ...foreign, rootsPem: webCertificate.rootsPem }, webCertificate);
  t.match(serverSide, { status: 'rejected', reason: { code: 'TLS_FAILED' } });
});

t.test('a client of another trust domain under the same root is refused by the server', async (t) => {
  const away = await createCertificateAuthority({ trustDomain: 'away.example', restored: authority.rootPem });
  const wanderer = await away.issue({
    ...identityOf({ trustDomain: 'away.example', namespace: 'a', serviceAccount: 'b' }),
  });
  const { serverSide } = await shake(t, wanderer, webCertificate);
  t.match(serverSide, { status: 'rejected', reason: { code: 'PEER_IDENTITY_MISMATCH' } });
  if (serverSide.status === 'rejected') t.match(serverSide.reason.message, 'expected trustdomain (cluster.local)');
});

t.test('an expired certificate is refused by either side', async (t) => {
  const longAgo = await createCertificateAuthority({
    trustDomain: 'cluster.local',
    restored: authority.rootPem,
    now: () => Date.now() - 60_000,
    lifetimeMs: 1000,
  });
  const asServer = await shake(t, sleepCertificate, await longAgo.issue(web));
  t.match(asServer.clientSide, { status: 'rejected', reason: { code: 'TLS_FAILED', message: /expired/ } });
  const asClient = await shake(t, await longAgo.issue(sleep), webCertificate);
  t.match(asClient.serverSide, { status: 'rejected', reason: { code: 'TLS_FAILED', message: /EXPIRED|expired/ } });
});

t.test('a client without a certificate is refused', async (t) => {
  const { dialled, accepted } = await transport(t);
  const serverSide = secureAsServer({
    socket: accepted,
    certificate: webCertificate,
    timeoutMs: 10_000,
    peerName: 'x',
  });
  const client = connectTls({ socket: dialled, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  client.on('error', () => {});
  await t.rejects(serverSide, { code: 'TLS_FAILED' });
});

t.test('TLS 1.2 and a foreign protocol are refused', async (t) => {
  for (const options of [{ maxVersion: 'TLSv1.2' as const }, { ALPNProtocols: ['http/1.1'] }]) {
    const { dialled, accepted } = await transport(t);
    const serverSide = secureAsServer({
      socket: accepted,
      certificate: webCertificate,
      timeoutMs: 10_000,
      peerName: 'x',
    });
    const { chainPem: cert, privateKeyPem: key, rootsPem: ca } = sleepCertificate;
    const client = connectTls({ socket: dialled, cert, key, ca, checkServerIdentity: () => undefined, ...options });
    client.on('error', () => {});
    await t.rejects(serverSide, { code: 'TLS_FAILED' });
  }
});

t.test('a session is never resumed', async (t) => {
  const { chainPem: cert, privateKeyPem: key, rootsPem: ca } = sleepCertificate;
  let session: Buffer | undefined;
  for (const round of ['first', 'second']) {
    const { dialled, accepted } = await transport(t);
    const serverSide = secureAsServer({
      socket: accepted,
      certificate: webCertificate,
      timeoutMs: 10_000,
      peerName: 'x',
    });
    const client = connectTls({
      socket: dialled,
      cert,
      key,
      ca,
      ALPNProtocols: ['h2'],
      checkServerIdentity: () => undefined,
      ...(session ? { session } : {}),
    });
    client.on('session', (offered) => {
      session = offered;
    });
    const { socket } = await serverSide;
    t.equal(socket.isSessionReused(), false, `${round} handshake`);
    t.ok(socket.getPeerCertificate().subjectaltname, 'the client certificate was shown');
    socket.write('x');
    await once(client, 'data');
    t.equal(client.isSessionReused(), false);
  }
});

t.test('a peer that never speaks is given up at the deadline', async (t) => {
  const { dialled, accepted } = await transport(t);
  const expected = [web];
  await t.rejects(
    secureAsClient({
      socket: dialled,
      certificate: sleepCertificate,
      expected,
      timeoutMs: 20,
      peerName: '10.0.0.9:15008',
    }),
    { code: 'TUNNEL_CONNECT_TIMEOUT' },
  );
  accepted.destroy();
  const silent = await transport(t);
  await t.rejects(
    secureAsServer({ socket: silent.accepted, certificate: webCertificate, timeoutMs: 20, peerName: 'x' }),
    { code: 'TLS_FAILED' },
  );
});

t.test('a peer that speaks no TLS is refused', async (t) => {
  const { dialled, accepted } = await transport(t);
  dialled.on('error', () => {});
  dialled.write('GET / HTTP/1.1\r\n\r\n');
  await t.rejects(
    secureAsServer({ socket: accepted, certificate: webCertificate, timeoutMs: 10_000, peerName: '10.0.0.1:4000' }),
    { code: 'TLS_FAILED', message: /10\.0\.0\.1:4000/ },
  );
});

t.test('the context of a certificate is made once, and an unusable one is a clear error', async (t) => {
  t.equal(secureContextOf(webCertificate), secureContextOf(webCertificate));
  t.throws(() => secureContextOf({ ...webCertificate, privateKeyPem: 'nonsense' }), { code: 'TLS_FAILED' });
});
