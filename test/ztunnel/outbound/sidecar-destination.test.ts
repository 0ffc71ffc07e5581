// From a program of one of our pods to one behind a sidecar: Istio's mutual TLS on the application's port, metadata both ways.
import t, { type Test } from 'tap';
import { identityOf } from '../../../common/identity/identity.ts';
import { type ExplicitMesh, startExplicitMesh } from '../../support/explicit-mesh.ts';
import { type SidecarServer, type SidecarStream, startSidecarServer } from '../../support/fake-sidecar.ts';
import { aService, aWorkload, ports } from '../../support/mesh-objects.ts';
import { ratingsFrame } from '../../support/peer-frames.ts';
import {
  connectThrough,
  howItEnds,
  mustConnectThrough,
  readExactly,
  readToEnd,
  startProgram,
} from '../../support/tcp-programs.ts';

const shell = '127.74.1.1';
const ratings = '127.74.1.2';
const other = '127.74.1.3';
const key = 'default/ratings.default.svc.cluster.local';
const mesh = await startExplicitMesh({
  workloads: [
    aWorkload({ name: 'shell-1', addresses: [shell], serviceAccount: 'shell', workloadName: 'shell' }),
    aWorkload({
      name: 'ratings-v2-5f8',
      addresses: [ratings],
      serviceAccount: 'ratings',
      canonicalName: 'ratings',
      canonicalRevision: 'v2',
      workloadName: 'ratings-v2',
      tunnelProtocol: 'istio-mtls',
      plaintextPorts: [9090],
      services: { [key]: ports(80, 8080) },
    }),
    aWorkload({ name: 'other', addresses: [other], namespace: 'elsewhere', tunnelProtocol: 'istio-mtls' }),
  ],
  services: [aService({ name: 'ratings', addresses: ['127.75.1.1'], ports: ports(80, 8080) })],
});
t.teardown(() => mesh.close());

interface Given extends Partial<Parameters<typeof startSidecarServer>[0]> {
  readonly identity?: { readonly namespace: string; readonly serviceAccount: string };
}

const echo = (stream: SidecarStream): void => void stream.pipe(stream);

async function sidecar(t: Test, { identity, ...given }: Given = {}): Promise<SidecarServer> {
  const who = identityOf({
    trustDomain: 'cluster.local',
    ...(identity ?? { namespace: 'default', serviceAccount: 'ratings' }),
  });
  const certificate = await mesh.services.certificates.get(who);
  const options = { host: ratings, port: 8080, certificate, frame: ratingsFrame, as: 'tcp', serve: echo } as const;
  const server = await startSidecarServer({ ...options, ...given });
  t.teardown(() => server.close());
  return server;
}

let known = 0;
/** The line of the connection that has just ended. */
async function line(): Promise<Record<string, unknown> | undefined> {
  known += 1;
  return (await mesh.logged(known))[known - 1];
}

const claims = async (mesh: ExplicitMesh): Promise<Record<string, number>> =>
  Object.fromEntries(
    (await mesh.samples('ambientd_peer_metadata_total')).map(([{ carrier, outcome }, value]) => [
      `${carrier} ${outcome}`,
      value,
    ]),
  );

t.test(
  'the sidecar learns who calls, by certificate and by metadata, and the connection counts as mutual TLS',
  async (t) => {
    const server = await sidecar(t);
    const client = await mustConnectThrough(shell, 'ratings', 80);
    client.end('hello');
    t.equal(await readToEnd(client), 'hello');
    const [stream] = server.connections;
    t.same(stream?.faults, []);
    t.equal(stream?.tls.alpnProtocol, 'istio-peer-exchange');
    t.equal(stream?.peerName, 'URI:spiffe://cluster.local/ns/default/sa/shell');
    t.match(stream?.told, {
      'x-envoy-peer-metadata': {
        NAME: 'shell-1',
        NAMESPACE: 'default',
        WORKLOAD_NAME: 'shell',
        CLUSTER_ID: 'Kubernetes',
        IDENTITY: 'spiffe://cluster.local/ns/default/sa/shell',
        OWNER: 'kubernetes://apis/apps/v1/namespaces/default/deployments/shell',
        LABELS: { 'service.istio.io/canonical-name': 'shell-1', app: 'shell-1' },
      },
      'x-envoy-peer-metadata-id': `ztunnel~${shell}~shell-1.default~default.svc.cluster.local`,
    });
    t.match(await line(), {
      level: 'info',
      direction: 'outbound',
      'dst.addr': `${ratings}:8080`,
      'dst.service': 'ratings.default.svc.cluster.local',
      'src.identity': 'spiffe://cluster.local/ns/default/sa/shell',
      'dst.identity': 'spiffe://cluster.local/ns/default/sa/ratings',
      bytes_sent: 5,
      bytes_recv: 5,
    });
    const opened = await mesh.samples('istio_tcp_connections_opened_total');
    t.match(opened, [
      [
        {
          reporter: 'source',
          source_workload: 'shell',
          source_principal: 'spiffe://cluster.local/ns/default/sa/shell',
          destination_workload: 'ratings-v2',
          destination_version: 'v2',
          destination_principal: 'spiffe://cluster.local/ns/default/sa/ratings',
          destination_service_name: 'ratings',
          connection_security_policy: 'mutual_tls',
        },
        1,
      ],
    ]);
    t.same(await claims(mesh), { 'istio-peer-exchange believed': 1 });
  },
);

t.test('a server that speaks first is heard at once', async (t) => {
  const server = await sidecar(t, {
    serve: (stream) => {
      stream.write('220 welcome\r\n');
      stream.on('data', (chunk) => stream.end(`got ${chunk}`));
    },
  });
  const client = await mustConnectThrough(shell, 'ratings', 80);
  t.equal((await readExactly(client, 13)).toString(), '220 welcome\r\n');
  client.write('QUIT');
  t.equal(await readToEnd(client), 'got QUIT');
  client.end();
  t.same(server.connections[0]?.faults, []);
  t.match(await line(), { level: 'info', bytes_sent: 4, bytes_recv: 21 });
});

t.test('much goes both ways, and one side may end first', async (t) => {
  const server = await sidecar(t);
  const client = await mustConnectThrough(shell, ratings, 8080);
  const payload = Buffer.alloc(5_000_000, 'abcdefg');
  client.end(payload);
  const back = await readToEnd(client);
  t.equal(back.length, payload.length);
  t.ok(Buffer.from(back, 'latin1').equals(payload));
  t.same(server.connections[0]?.faults, []);
  t.match(await line(), { level: 'info', bytes_sent: 5_000_000, bytes_recv: 5_000_000 });
});

t.test('a reset reaches the other end as a reset, both ways', async (t) => {
  const server = await sidecar(t);
  const client = await mustConnectThrough(shell, ratings, 8080);
  client.write('x');
  await readExactly(client, 1);
  const tls = server.connections[0]?.tls;
  if (tls === undefined) throw new Error('no connection');
  const ending = howItEnds(tls);
  client.resetAndDestroy();
  t.equal(await ending, 'ECONNRESET');
  await line();
  const second = await mustConnectThrough(shell, ratings, 8080);
  second.write('y');
  await readExactly(second, 1);
  const hearing = howItEnds(second);
  server.connections[1]?.transport.resetAndDestroy();
  t.equal(await hearing, 'ECONNRESET');
  await line();
});

t.test('where the port is HTTP for the sidecar, no metadata comes before it', async (t) => {
  const server = await sidecar(t, { as: 'http' });
  const client = await mustConnectThrough(shell, 'ratings', 80);
  client.end('GET / HTTP/1.1\r\n\r\n');
  t.equal(await readToEnd(client), 'GET / HTTP/1.1\r\n\r\n');
  t.equal(server.connections[0]?.tls.alpnProtocol, false);
  await line();
  t.match(await claims(mesh), { 'istio-peer-exchange alpn-not-found': 1 });
});

t.test('a port that PeerAuthentication opens is spoken to in plain', async (t) => {
  const program = await startProgram(ratings, 9090, (socket) => void socket.pipe(socket));
  t.teardown(() => program.close());
  const client = await mustConnectThrough(shell, ratings, 9090);
  client.end('plain');
  t.equal(await readToEnd(client), 'plain');
  const logged = await line();
  t.match(logged, { 'dst.addr': `${ratings}:9090` });
  t.equal(logged?.['src.identity'], undefined);
});

t.test('who answers with another identity is refused before a byte of the application', async (t) => {
  const server = await sidecar(t, { identity: { namespace: 'default', serviceAccount: 'thief' } });
  t.match(await connectThrough(shell, 'ratings', 80), { kind: 'refused' });
  t.match(await line(), { level: 'error', code: 'PEER_IDENTITY_MISMATCH', error: /sidecar at 127\.74\.1\.2:8080/ });
  t.equal(server.connections.filter(({ told }) => told !== undefined).length, 0);
});

t.test('a sidecar that lies about its namespace is counted, and its bytes still pass', async (t) => {
  const identity = { namespace: 'elsewhere', serviceAccount: 'other' };
  await sidecar(t, { host: other, identity });
  const client = await mustConnectThrough(shell, other, 8080);
  client.end('x');
  t.equal(await readToEnd(client), 'x');
  await line();
  t.match(await claims(mesh), { 'istio-peer-exchange contradicts': 1 });
  const opened = await mesh.samples('istio_tcp_connections_opened_total');
  t.ok(opened.some(([labels]) => labels['destination_workload_namespace'] === 'elsewhere'));
});

t.test('what speaks no TLS there is refused, with what to look at', async (t) => {
  const program = await startProgram(ratings, 8080, (socket) => void socket.end('plain text here\n'));
  t.teardown(() => program.close());
  t.match(await connectThrough(shell, 'ratings', 80), { kind: 'refused' });
  t.match(await line(), { level: 'error', code: 'TLS_FAILED', error: /speaks no TLS here/ });
});
