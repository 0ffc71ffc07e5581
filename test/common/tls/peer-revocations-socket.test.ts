// Revocation lists over real handshakes, both ways: refused peers, tunnels that are cut, and those that stay.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import type { WorkloadCertificate } from '../../../common/identity/certificate.ts';
import { createCertificateAuthority } from '../../../common/identity/certificate-authority.ts';
import { readRevocationLists } from '../../../common/identity/crl-codec.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import type { RevocationList } from '../../../common/identity/revocation-list.ts';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { createPeerRevocations, type PeerRevocations } from '../../../common/tls/peer-revocations-socket.ts';
import { type SecuredSocket, secureAsClient } from '../../../common/tls/tls-client.ts';
import { secureAsServer } from '../../../common/tls/tls-server.ts';
import { type CrlFacts, createCrl, createIntermediate, issueBelow } from '../../support/certificate-chains.ts';
import { collectLog } from '../../support/collected-log.ts';
import { readSample } from '../../support/explicit-mesh.ts';

const authority = await createCertificateAuthority({ trustDomain: 'cluster.local' });
const root = authority.rootPem;
const intermediate = await createIntermediate(root);
const sleep = identityOf({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'sleep' });
const web = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' });
const sleepCertificate = await issueBelow(intermediate, authority.rootsPem, sleep);
const webCertificate = await authority.issue(web);

const rejected = 'istio_crl_policy_rejections_total';
const untracked = 'istio_crl_untracked_connections_total';

function watching() {
  const metrics = createMetricsRegistry();
  const { log, lines } = collectLog();
  const revocations = createPeerRevocations({ recorder: metrics.recorder, log });
  const count = async (metric: string, reporter: string): Promise<number | undefined> => {
    const { body } = await metrics.exposition(undefined);
    const samples = body.split('\n').flatMap((line) => readSample(line, metric));
    return samples.find(([labels]) => labels['reporter'] === reporter)?.[1];
  };
  return { revocations, lines, count };
}

async function listOf(facts: CrlFacts): Promise<readonly RevocationList[]> {
  return readRevocationLists(await createCrl(facts));
}

interface Ends {
  readonly client?: PeerRevocations;
  readonly server?: PeerRevocations;
  readonly clientCertificate?: WorkloadCertificate;
}

async function shake(t: Test, { client, server, clientCertificate = sleepCertificate }: Ends) {
  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const accepting = once(listener, 'connection');
  const dialled = connect({ port: (listener.address() as AddressInfo).port, host: '127.0.0.1' });
  const [accepted] = (await accepting) as [Socket];
  t.teardown(() => {
    dialled.destroy();
    accepted.destroy();
    listener.close();
  });
  const common = { timeoutMs: 10_000, expected: [web] };
  const [clientSide, serverSide] = await Promise.allSettled([
    secureAsClient({
      ...{ ...common, socket: dialled, certificate: clientCertificate, peerName: 'the server', revocations: client },
    }),
    secureAsServer({
      ...{ ...common, socket: accepted, certificate: webCertificate, peerName: 'the client', revocations: server },
    }),
  ]);
  return { clientSide, serverSide };
}

async function mustShake(t: Test, ends: Ends): Promise<{ client: TLSSocket; server: TLSSocket }> {
  const { clientSide, serverSide } = await shake(t, ends);
  return { client: socketOf(clientSide), server: socketOf(serverSide) };
}

function socketOf(side: PromiseSettledResult<SecuredSocket>): TLSSocket {
  if (side.status === 'rejected') throw side.reason;
  return side.value.socket;
}

function closing(socket: TLSSocket): Promise<Error | undefined> {
  let error: Error | undefined;
  socket.on('error', (cause) => {
    error = cause;
  });
  socket.on('end', () => socket.destroy());
  socket.resume();
  return new Promise((resolve) => socket.on('close', () => resolve(error)));
}

t.test('a revoked client is refused by the server, by its own certificate or by one above it', async (t) => {
  for (const facts of [
    { issuer: intermediate, revoked: [sleepCertificate.chainPem] },
    { issuer: root, revoked: [intermediate.certificatePem] },
  ]) {
    const { revocations, count } = watching();
    t.equal(await count(rejected, 'destination'), 0, 'told before the first');
    revocations.use(await listOf(facts));
    const { serverSide } = await shake(t, { server: revocations });
    t.match(serverSide, {
      status: 'rejected',
      reason: {
        code: 'CERTIFICATE_REVOKED',
        message: /^invalid peer certificate: Revoked: the client .* [0-9A-F]{30,} of O=/,
      },
    });
    t.equal(await count(rejected, 'destination'), 1);
    t.equal(await count(rejected, 'source'), 0);
  }
});

t.test('a revoked server is refused by the client', async (t) => {
  const { revocations, count } = watching();
  revocations.use(await listOf({ issuer: root, revoked: [webCertificate.chainPem] }));
  const { clientSide } = await shake(t, { client: revocations });
  t.match(clientSide, { status: 'rejected', reason: { code: 'CERTIFICATE_REVOKED', message: /the server/ } });
  t.equal(await count(rejected, 'source'), 1);
});

t.test('who is not revoked is served, whatever else the lists say', async (t) => {
  const { revocations, count } = watching();
  const other = (await authority.issue(sleep)).chainPem;
  revocations.use(await listOf({ issuer: root, revoked: [other] }));
  await mustShake(t, { server: revocations, client: revocations });
  t.equal(await count(rejected, 'destination'), 0);
  t.equal(await count(untracked, 'destination'), 0);
});

t.test('with new lists the sockets of revoked peers are cut, each counted once, and no others', async (t) => {
  const { revocations, count, lines } = watching();
  const revoked = await mustShake(t, { server: revocations });
  const spared = await mustShake(t, { server: revocations, clientCertificate: await authority.issue(sleep) });
  const closed = Promise.all([closing(revoked.server), closing(revoked.client)]);
  const lists = await listOf({ issuer: intermediate, revoked: [sleepCertificate.chainPem] });
  revocations.use(lists);
  const message = /^connection closed: peer certificate revoked by CRL: the client /;
  t.match((await closed)[0], { code: 'CERTIFICATE_REVOKED', message });
  revocations.use(lists);
  t.equal(await count(rejected, 'destination'), 1);
  t.notOk(spared.server.destroyed);
  t.match(lines, [{ msg: 'tunnels with revoked peers were cut', tunnels: 1, left: 1 }]);
});

t.test('a client cuts a server, too, and by a certificate above it', async (t) => {
  const { revocations, count } = watching();
  // Roles changed: who has the chain answers.
  const { client } = await mustShake(t, { client: revocations });
  const closed = closing(client);
  revocations.use(await listOf({ issuer: root, revoked: [webCertificate.chainPem] }));
  t.match(await closed, { code: 'CERTIFICATE_REVOKED' });
  t.equal(await count(rejected, 'source'), 1);
});

t.test('a socket that has closed is watched no more', async (t) => {
  const { revocations, count } = watching();
  const { client, server } = await mustShake(t, { server: revocations });
  const closed = closing(server);
  client.destroy();
  await closed;
  revocations.use(await listOf({ issuer: intermediate, revoked: [sleepCertificate.chainPem] }));
  t.equal(await count(rejected, 'destination'), 0);
});

t.test('many are judged in turns, each of them', async (t) => {
  const { revocations, count } = watching();
  const sockets: TLSSocket[] = [];
  for (let number = 0; number < 70; number++) sockets.push((await mustShake(t, { server: revocations })).server);
  const closed = Promise.all(sockets.map(closing));
  revocations.use(await listOf({ issuer: root, revoked: [intermediate.certificatePem] }));
  t.equal(sockets.filter(({ destroyed }) => destroyed).length, 31, 'other work has its turn');
  for (const error of await closed) t.match(error, { code: 'CERTIFICATE_REVOKED' });
  t.equal(await count(rejected, 'destination'), 70);
});

t.test('a chain that leads to no root is let be, and counted', async (t) => {
  const { revocations, count, lines } = watching();
  revocations.use(await listOf({ issuer: root, named: intermediate, revoked: [sleepCertificate.chainPem] }));
  const { server } = await mustShake(t, {});
  const { rootsPem } = await createCertificateAuthority({ trustDomain: 'other' });
  const peer = { socket: server, rootsPem, reporter: 'destination', peerName: 'the client' } as const;
  t.equal(revocations.admit(peer), undefined);
  t.equal(await count(untracked, 'destination'), 1);
  t.match(lines.at(-1), { msg: 'a tunnel is not held to the revocation lists', peer: 'the client' });
});

t.test('a list that is not signed by the issuer it names changes nothing, and is told once', async (t) => {
  const { revocations, count, lines } = watching();
  revocations.use(await listOf({ issuer: root, named: intermediate, revoked: [sleepCertificate.chainPem] }));
  await mustShake(t, { server: revocations });
  await mustShake(t, { server: revocations });
  t.equal(await count(rejected, 'destination'), 0);
  t.match(lines, [{ msg: 'a revocation list is not signed by the key of its issuer', issuer: 'O=intermediate' }]);
});

t.test('lists that are taken back let the peer in again', async (t) => {
  const { revocations } = watching();
  revocations.use(await listOf({ issuer: intermediate, revoked: [sleepCertificate.chainPem] }));
  t.equal((await shake(t, { server: revocations })).serverSide.status, 'rejected');
  revocations.use([]);
  t.equal((await shake(t, { server: revocations })).serverSide.status, 'fulfilled');
});
