// Sidecars that call one of our pods in Istio's mutual TLS: who they are is proven, what they say is judged, and policy holds; whoever
// else calls, in plain or in the application's own TLS, passes as if nobody had looked.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import t, { type Test } from 'tap';
import { MeshError } from '../../../common/errors.ts';
import type { WorkloadCertificate } from '../../../common/identity/certificate.ts';
import { createCertificateAuthority } from '../../../common/identity/certificate-authority.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import type { MeshSnapshot } from '../../../common/mesh/mesh-source.ts';
import { encodeExchange } from '../../../common/peer/peer-exchange-codec.ts';
import { startExplicitMesh } from '../../support/explicit-mesh.ts';
import { connectAsSidecar, type SidecarStream, sidecarProtocols } from '../../support/fake-sidecar.ts';
import { aPolicy, aService, aWorkload, endAt, ports } from '../../support/mesh-objects.ts';
import { startPassthroughPod } from '../../support/passthrough-pod.ts';
import { ratingsFrame, ratingsPeer } from '../../support/peer-frames.ts';
import {
  echo,
  howItEnds,
  mustConnectThrough,
  readExactly,
  readToEnd,
  startProgram,
} from '../../support/tcp-programs.ts';

const host = '127.76.1.1';
const ratings = '127.76.1.2';
const shell = '127.76.1.3';
const stranger = '127.76.1.9';
const details = 'default/details.default.svc.cluster.local';
const application = 19_080;
const workloads = [
  aWorkload({
    name: 'details-1',
    addresses: [host],
    serviceAccount: 'details',
    workloadName: 'details',
    services: { [details]: ports(9080, application) },
  }),
  aWorkload({
    name: 'ratings-1',
    addresses: [ratings],
    serviceAccount: 'ratings',
    canonicalName: 'ratings',
    workloadName: 'ratings-in-wds',
    tunnelProtocol: 'istio-mtls',
  }),
  aWorkload({ name: 'shell-1', addresses: [shell], serviceAccount: 'shell', workloadName: 'shell' }),
];
const services = [aService({ name: 'details' }), aService({ name: 'behind' })];
const strict = aPolicy({ name: 'strict', action: 'deny', match: { notPrincipals: [{ kind: 'presence' }] } });
const onlyRatings = aPolicy({
  name: 'only-ratings',
  match: { principals: [{ kind: 'exact', value: 'cluster.local/ns/default/sa/ratings' }] },
});
const snapshotWith = (...policies: MeshSnapshot['policies'][number][]): MeshSnapshot => ({
  workloads,
  services,
  policies,
});

async function startPod(t: Test, ...policies: MeshSnapshot['policies'][number][]) {
  const mesh = await startExplicitMesh(snapshotWith(...policies));
  const name = { namespace: 'default', name: 'details-1', serviceAccount: 'details' };
  const pod = await startPassthroughPod(mesh.services, name, endAt(`${host}:${application}`));
  t.teardown(async () => {
    await pod.close();
    await mesh.close();
  });
  const certificateOf = (serviceAccount: string, namespace = 'default'): Promise<WorkloadCertificate> =>
    mesh.services.certificates.get(identityOf({ trustDomain: 'cluster.local', namespace, serviceAccount }));
  return {
    mesh,
    pod,
    certificateOf,
    /** The sidecar of ratings, unless told otherwise. */
    call: async (given: Partial<Parameters<typeof connectAsSidecar>[0]> = {}): Promise<SidecarStream> => {
      const certificate = given.certificate ?? (await certificateOf('ratings'));
      const caller = { host, port: pod.port, localAddress: ratings, frame: ratingsFrame };
      return connectAsSidecar({ ...caller, ...given, certificate });
    },
    claims: async (): Promise<Record<string, number>> => {
      const samples = await mesh.samples('ambientd_peer_metadata_total');
      return Object.fromEntries(samples.map(([{ carrier, outcome }, value]) => [`${carrier} ${outcome}`, value]));
    },
  };
}

async function serve(t: Test, handle: (socket: Socket) => void = echo) {
  const program = await startProgram(host, application, handle);
  t.teardown(() => program.close());
  return program;
}

const text = async (stream: AsyncIterable<Buffer>): Promise<string> => {
  let all = '';
  for await (const chunk of stream) all += chunk;
  return all;
};

t.test(
  'STRICT is satisfied by a sidecar’s mutual TLS; both sides learn of each other; it counts as such',
  async (t) => {
    const { call, mesh, claims } = await startPod(t, strict, onlyRatings);
    const callers: (string | undefined)[] = [];
    await serve(t, (socket) => {
      callers.push(socket.remoteAddress);
      echo(socket);
    });
    const sidecar = await call({ serverName: 'outbound_.9080_._.details.default.svc.cluster.local' });
    t.equal(sidecar.tls.alpnProtocol, 'istio-peer-exchange');
    t.equal(sidecar.peerName, 'URI:spiffe://cluster.local/ns/default/sa/details');
    sidecar.end('hello');
    t.equal(await text(sidecar), 'hello');
    t.same(sidecar.faults, []);
    t.match(sidecar.told, {
      'x-envoy-peer-metadata': { NAME: 'details-1', WORKLOAD_NAME: 'details', NAMESPACE: 'default' },
      'x-envoy-peer-metadata-id': `ztunnel~${host}~details-1.default~default.svc.cluster.local`,
    });
    t.same(callers, [ratings], 'the application sees its real peer');
    const [line] = await mesh.logged(1);
    t.match(line, {
      level: 'info',
      direction: 'inbound',
      'src.identity': 'spiffe://cluster.local/ns/default/sa/ratings',
      'dst.identity': 'spiffe://cluster.local/ns/default/sa/details',
      'dst.addr': `${host}:${application}`,
      'dst.service': 'details.default.svc.cluster.local',
      bytes_sent: 5,
      bytes_recv: 5,
    });
    for (const metric of ['istio_tcp_connections_opened_total', 'istio_tcp_connections_closed_total']) {
      t.match(await mesh.samples(metric), [
        [
          {
            reporter: 'destination',
            source_workload: 'ratings-in-wds',
            source_principal: 'spiffe://cluster.local/ns/default/sa/ratings',
            destination_workload: 'details',
            destination_principal: 'spiffe://cluster.local/ns/default/sa/details',
            destination_service_name: 'details',
            connection_security_policy: 'mutual_tls',
            response_flags: '-',
          },
          1,
        ],
      ]);
    }
    t.same(await claims(), { 'istio-peer-exchange believed': 1 });
  },
);

t.test('whom the mesh does not know is known by its metadata', async (t) => {
  const { call, mesh } = await startPod(t);
  await serve(t);
  const sidecar = await call({ localAddress: stranger });
  sidecar.end('x');
  t.equal(await text(sidecar), 'x');
  await mesh.logged(1);
  t.match(await mesh.samples('istio_tcp_connections_opened_total'), [
    [
      {
        source_workload: 'ratings-v2',
        source_app: 'ratings',
        source_version: 'v2',
        source_workload_namespace: 'default',
        source_cluster: 'Kubernetes',
        source_principal: 'spiffe://cluster.local/ns/default/sa/ratings',
      },
      1,
    ],
  ]);
});

t.test('one that lies about itself is not believed, but counted and named', async (t) => {
  const { call, mesh, claims, certificateOf } = await startPod(t);
  await serve(t);
  const impostor = { ...ratingsPeer, metadata: { ...ratingsPeer.metadata, namespace: 'bank' } };
  const certificate = await certificateOf('thief', 'dungeon');
  const sidecar = await call({ localAddress: stranger, certificate, frame: encodeExchange(impostor) });
  sidecar.end('x');
  t.equal(await text(sidecar), 'x');
  await mesh.logged(1);
  t.match(await mesh.samples('istio_tcp_connections_opened_total'), [
    [
      {
        source_workload: 'unknown',
        source_workload_namespace: 'unknown',
        source_principal: 'spiffe://cluster.local/ns/dungeon/sa/thief',
        connection_security_policy: 'mutual_tls',
      },
      1,
    ],
  ]);
  t.same(await claims(), { 'istio-peer-exchange contradicts': 1 });
});

t.test('policy is asked for the identity that is proven, also when it changes', async (t) => {
  const { call, mesh, certificateOf } = await startPod(t, onlyRatings);
  const program = await serve(t);
  const refused = await call({ certificate: await certificateOf('thief') });
  t.equal(await howItEnds(refused.tls), 'ECONNRESET');
  t.equal(program.connections.length, 0);
  t.match((await mesh.logged(1))[0], {
    code: 'AUTHORIZATION_DENIED',
    'src.identity': 'spiffe://cluster.local/ns/default/sa/thief',
  });
  const admitted = await call();
  admitted.write('x');
  await once(admitted, 'data');
  const nobody = aPolicy({ name: 'nobody', action: 'deny', match: { namespaces: [{ kind: 'presence' }] } });
  mesh.mesh.replace(snapshotWith(onlyRatings, nobody));
  t.equal(await howItEnds(admitted.tls), 'ECONNRESET');
  t.match((await mesh.logged(2))[1], { code: 'POLICY_CHANGED' });
});

t.test('a server that speaks first is heard by a sidecar that waits for it', async (t) => {
  const { call } = await startPod(t, strict);
  await serve(t, (socket) => {
    socket.write('220 welcome');
    socket.on('data', (chunk) => socket.end(`got ${chunk}`));
  });
  const sidecar = await call();
  const [greeting] = await once(sidecar, 'data');
  t.equal(String(greeting), '220 welcome');
  sidecar.write('QUIT');
  t.equal(await text(sidecar), 'got QUIT');
  sidecar.end();
  t.same(sidecar.faults, []);
});

t.test('HTTP from a sidecar agrees on its version, and no frame comes before it', async (t) => {
  const { call } = await startPod(t, strict);
  await serve(t);
  for (const [protocols, agreed] of [
    [sidecarProtocols.http1, 'http/1.1'],
    [sidecarProtocols.http2, 'h2'],
    [['istio'], 'istio'],
  ] as const) {
    const sidecar = await call({ protocols });
    t.equal(sidecar.tls.alpnProtocol, agreed);
    sidecar.end('GET / HTTP/1.1\r\n\r\n');
    t.equal(await text(sidecar), 'GET / HTTP/1.1\r\n\r\n');
  }
});

t.test('much goes both ways', async (t) => {
  const { call } = await startPod(t);
  await serve(t);
  const sidecar = await call();
  const payload = Buffer.alloc(5_000_000, 'abcdefg');
  sidecar.end(payload);
  t.ok((await text(sidecar)) === payload.toString());
});

t.test('a sidecar that hesitates is waited for, where it is known or would be refused otherwise', async (t) => {
  const { call } = await startPod(t);
  await serve(t);
  const known = await call({ hesitateMs: 300 });
  known.end('x');
  t.equal(await text(known), 'x');
  const guarded = await startPod(t, strict);
  const unknown = await guarded.call({ localAddress: stranger, hesitateMs: 300 });
  unknown.end('y');
  t.equal(await text(unknown), 'y');
});

t.test('a certificate of another root is refused, with the reason', async (t) => {
  const { call, mesh } = await startPod(t);
  await serve(t);
  const foreign = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  const identity = identityOf({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'ratings' });
  await t.rejects(call({ certificate: await foreign.issue(identity) }));
  t.match((await mesh.logged(1))[0], { code: 'TLS_FAILED', error: /the sidecar at 127\.76\.1\.2/ });
});

t.test('a pod that ends in the middle of a handshake leaves nothing behind', async (t) => {
  const { pod, mesh } = await startPod(t, strict);
  const client = connect({ host, port: pod.port, localAddress: stranger });
  client.on('error', () => {});
  await once(client, 'connect');
  client.write(Buffer.from('1603010200', 'hex'));
  while (pod.connections.size === 0) await sleep(5);
  await mesh.close();
  pod.connections.abortAll(new MeshError('DRAINED', 'the end'));
  t.equal(await howItEnds(client), 'ECONNRESET');
  t.equal(await pod.connections.whenEmpty(10_000), true);
});

t.test('plain text passes as before, whoever speaks first, and STRICT refuses it', async (t) => {
  const { pod, mesh } = await startPod(t);
  const from = (localAddress: string): Socket => connect({ host, port: pod.port, localAddress, allowHalfOpen: true });
  const program = await serve(t);
  const client = from(stranger);
  client.end('plain');
  t.equal(await readToEnd(client), 'plain');
  await program.close();
  await serve(t, (socket) => void socket.end('220 welcome'));
  const silent = from(stranger);
  t.equal((await readExactly(silent, 11)).toString(), '220 welcome');
  silent.end();
  const labels = (await mesh.logged(2)).map((line) => [line['src.identity'], line['dst.identity']]);
  t.same(labels, [
    [undefined, undefined],
    [undefined, undefined],
  ]);
  const [sample] = await mesh.samples('istio_tcp_connections_opened_total');
  t.match(sample, [{ connection_security_policy: 'unknown', source_principal: 'unknown' }, 2]);
  mesh.mesh.replace(snapshotWith(strict));
  const refused = from(stranger);
  refused.write('plain');
  t.equal(await howItEnds(refused), 'ECONNRESET');
});

t.test('the application’s own TLS passes untouched, to the application’s own certificate', async (t) => {
  const { pod, mesh } = await startPod(t);
  const authority = await createCertificateAuthority({ trustDomain: 'example.org' });
  const own = await authority.issue(
    identityOf({ trustDomain: 'example.org', namespace: 'own', serviceAccount: 'https' }),
  );
  const server = createTlsServer(
    { key: own.privateKeyPem, cert: own.chainPem, ALPNProtocols: ['h2', 'http/1.1'] },
    (socket) => void socket.pipe(socket),
  ).listen(application, host);
  await once(server, 'listening');
  t.teardown(() => server.close());
  const client = connectTls({
    ...{ host, port: pod.port, rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] },
    servername: 'shop.example.org',
  });
  await once(client, 'secureConnect');
  t.equal(client.alpnProtocol, 'h2');
  t.match(client.getPeerCertificate().subjectaltname, /example\.org\/ns\/own/);
  client.write('secret');
  t.equal((await readExactly(client, 6)).toString(), 'secret');
  client.end();
  t.equal((await mesh.logged(1))[0]?.['src.identity'], undefined);
});

t.test('a sidecar’s TLS that is for a service behind the pod passes untouched, too', async (t) => {
  const { pod, certificateOf } = await startPod(t);
  const heard = Promise.withResolvers<Buffer>();
  await serve(t, (socket) => void socket.once('data', (chunk: Buffer) => heard.resolve(chunk)));
  const { privateKeyPem: key, chainPem: cert } = await certificateOf('ratings');
  const client = connectTls({
    ...{ host, port: pod.port, key, cert, rejectUnauthorized: false, ALPNProtocols: ['istio-peer-exchange', 'istio'] },
    servername: 'outbound_.80_._.behind.default.svc.cluster.local',
  });
  client.on('error', () => {});
  t.equal((await heard.promise)[0], 22, 'the application, a gateway, gets the hello');
  client.destroy();
});

t.test('our own outbound side and our own inbound side are a sidecar’s peers to each other', async (t) => {
  const { mesh, pod, claims } = await startPod(t, strict);
  await serve(t);
  // As if details had a sidecar: what is dialled is its plain-text port.
  const sidecar = { ...aWorkload({ name: 'details-1', addresses: [host], serviceAccount: 'details' }) };
  mesh.mesh.replace({
    ...snapshotWith(strict),
    workloads: [{ ...sidecar, tunnelProtocol: 'istio-mtls', services: new Map() }, ...workloads.slice(1)],
  });
  const client = await mustConnectThrough(shell, host, pod.port);
  client.end('both ends are ours');
  t.equal(await readToEnd(client), 'both ends are ours');
  const lines = await mesh.logged(2);
  for (const direction of ['outbound', 'inbound']) {
    t.match(
      lines.find((line) => line['direction'] === direction),
      {
        'src.identity': 'spiffe://cluster.local/ns/default/sa/shell',
        'dst.identity': 'spiffe://cluster.local/ns/default/sa/details',
      },
    );
  }
  const policies = (await mesh.samples('istio_tcp_connections_opened_total')).map(([labels]) => [
    labels['reporter'],
    labels['connection_security_policy'],
  ]);
  t.same(policies.sort(), [
    ['destination', 'mutual_tls'],
    ['source', 'mutual_tls'],
  ]);
  t.same(await claims(), { 'istio-peer-exchange believed': 2 });
});
