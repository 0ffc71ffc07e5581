// From a program of one pod to a program of another, through both ends of the node proxy, over real sockets and TLS.
import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { startExplicitMesh } from '../../support/explicit-mesh.ts';
import { aService, aWorkload, gatewayNamed, ports } from '../../support/mesh-objects.ts';
import {
  connectThrough,
  countToEnd,
  echo,
  howItEnds,
  mustConnectThrough,
  readExactly,
  readToEnd,
  startProgram,
} from '../../support/tcp-programs.ts';

const shell = '127.71.1.1';
const podinfo = '127.71.1.2';
const plain = '127.71.1.3';
const orphan = '127.71.1.4';
const key = 'default/podinfo.default.svc.cluster.local';

const mesh = await startExplicitMesh({
  workloads: [
    aWorkload({ name: 'shell-1', addresses: [shell], serviceAccount: 'shell', canonicalName: 'shell' }),
    aWorkload({
      name: 'podinfo-1',
      addresses: [podinfo],
      serviceAccount: 'podinfo',
      canonicalName: 'podinfo',
      canonicalRevision: 'v1',
      workloadName: 'podinfo',
      services: { [key]: ports(80, 9898) },
    }),
    aWorkload({ name: 'plain-1', addresses: [plain], tunnelProtocol: 'none' }),
    aWorkload({ name: 'orphan-1', addresses: [orphan], waypoint: gatewayNamed('default/nowhere.example') }),
  ],
  services: [
    aService({ name: 'podinfo', addresses: ['127.72.1.1'], ports: ports(80, 9898) }),
    aService({ name: 'walled', addresses: ['127.72.1.2'], waypoint: gatewayNamed('default/nowhere.example') }),
    aService({ name: 'empty', addresses: ['127.72.1.3'] }),
  ],
});
t.teardown(() => mesh.close());
let expectedLines = 0;
const nextLines = async (count: number): Promise<readonly Record<string, unknown>[]> => {
  expectedLines += count;
  return (await mesh.logged(expectedLines)).slice(expectedLines - count);
};

t.test('bytes go both ways over HBONE, both ends know each other, and all is counted once', async (t) => {
  const program = await startProgram(podinfo, 9898, echo);
  t.teardown(() => program.close());
  const client = await mustConnectThrough(shell, 'podinfo', 80);
  client.write('hello world');
  t.equal((await readExactly(client, 11)).toString(), 'hello world');
  t.equal(program.connections[0]?.remoteAddress, shell, 'the program sees its real peer');
  client.end();
  await once(client, 'close');
  const lines = await nextLines(2);

  const [outbound, inbound] = ['outbound', 'inbound'].map((way) => lines.find(({ direction }) => direction === way));
  const identities = {
    'src.identity': 'spiffe://cluster.local/ns/default/sa/shell',
    'dst.identity': 'spiffe://cluster.local/ns/default/sa/podinfo',
    'src.workload': 'shell-1',
    'dst.workload': 'podinfo-1',
    'dst.service': 'podinfo.default.svc.cluster.local',
    'dst.addr': `${podinfo}:15008`,
    'dst.hbone_addr': `${podinfo}:9898`,
    bytes_sent: 11,
    bytes_recv: 11,
    level: 'info',
  };
  t.match(outbound, identities);
  t.match(inbound, identities);
  t.equal(outbound?.['error'], undefined);

  const labels = {
    source_workload: 'shell-1',
    source_principal: 'spiffe://cluster.local/ns/default/sa/shell',
    source_app: 'shell',
    destination_service: 'podinfo.default.svc.cluster.local',
    destination_service_name: 'podinfo',
    destination_workload: 'podinfo',
    destination_principal: 'spiffe://cluster.local/ns/default/sa/podinfo',
    destination_version: 'v1',
    request_protocol: 'tcp',
    response_flags: '-',
    connection_security_policy: 'mutual_tls',
  };
  for (const [metric, value] of [
    ['istio_tcp_connections_opened_total', 1],
    ['istio_tcp_connections_closed_total', 1],
    ['istio_tcp_received_bytes_total', 11],
    ['istio_tcp_sent_bytes_total', 11],
  ] as const) {
    const samples = await mesh.samples(metric);
    t.same(samples.map(([{ reporter }]) => reporter).sort(), ['destination', 'source'], metric);
    for (const [found, count] of samples) {
      t.match(found, labels);
      t.equal(count, value);
    }
  }
  t.same(await mesh.samples('istio_tcp_connections_failed_total'), []);
});

t.test('a service is found by each of the names that its pod would use', async (t) => {
  const program = await startProgram(podinfo, 9898, echo);
  t.teardown(() => program.close());
  for (const name of [
    'podinfo',
    'podinfo.default',
    'podinfo.default.svc',
    'podinfo.default.svc.cluster.local.',
    podinfo,
  ]) {
    const client = await mustConnectThrough(shell, name, name === podinfo ? 9898 : 80);
    client.end('x');
    t.equal(await readToEnd(client), 'x', name);
  }
  await nextLines(10);
});

t.test('one side may end while the other goes on', async (t) => {
  const program = await startProgram(podinfo, 9898, countToEnd);
  t.teardown(() => program.close());
  const client = await mustConnectThrough(shell, 'podinfo', 80);
  client.end(Buffer.alloc(3_000_000, 1));
  t.equal(await readToEnd(client), '3000000 bytes');
  const lines = await nextLines(2);
  t.ok(lines.some((line) => line['bytes_sent'] === 3_000_000 && line['bytes_recv'] === 13));
});

t.test('a server may speak first', async (t) => {
  const program = await startProgram(podinfo, 9898, (socket) => void socket.end('220 welcome'));
  t.teardown(() => program.close());
  const client = await mustConnectThrough(shell, 'podinfo', 80);
  t.equal((await readExactly(client, 11)).toString(), '220 welcome');
  client.end();
  await nextLines(2);
});

t.test('a reset reaches the other end as a reset, and is no failure', async (t) => {
  const program = await startProgram(podinfo, 9898, (socket) => void socket.on('data', () => socket.resetAndDestroy()));
  t.teardown(() => program.close());
  const client = await mustConnectThrough(shell, 'podinfo', 80);
  client.write('x');
  t.equal(await howItEnds(client), 'ECONNRESET');
  t.same(
    (await nextLines(2)).map(({ level }) => level),
    ['info', 'info'],
  );
});

t.test('a destination that is not enrolled gets plain bytes, and telemetry says so', async (t) => {
  const program = await startProgram(plain, 8080, echo);
  t.teardown(() => program.close());
  const client = await mustConnectThrough(shell, plain, 8080);
  client.end('plain');
  t.equal(await readToEnd(client), 'plain');
  const [line] = await nextLines(1);
  t.match(line, { direction: 'outbound', 'dst.addr': `${plain}:8080`, 'dst.workload': 'plain-1' });
  t.equal(line?.['dst.hbone_addr'], undefined);
  t.equal(line?.['src.identity'], undefined);
  const opened = await mesh.samples('istio_tcp_connections_opened_total');
  const sample = opened.find(([labels]) => labels['destination_app'] === 'plain-1');
  t.match(sample?.[0], { connection_security_policy: 'unknown', source_principal: 'unknown' });
});

t.test('a destination outside the mesh is dialled as it is', async (t) => {
  const program = await startProgram('127.71.1.9', 8080, echo);
  t.teardown(() => program.close());
  const client = await mustConnectThrough(shell, '127.71.1.9', 8080);
  client.end('out');
  t.equal(await readToEnd(client), 'out');
  const [line] = await nextLines(1);
  t.match(line, { 'dst.addr': '127.71.1.9:8080' });
  t.equal(line?.['dst.workload'], undefined);
});

t.test('is rejected, not bypassed, when the waypoint is unknown', async (t) => {
  const program = await startProgram(orphan, 8080, echo);
  t.teardown(() => program.close());
  for (const [host, port] of [
    ['walled', 80],
    [orphan, 8080],
  ] as const) {
    t.equal((await connectThrough(shell, host, port)).kind, 'refused', host);
  }
  t.equal(program.connections.length, 0);
  const lines = await nextLines(2);
  t.same(
    lines.map(({ code }) => code),
    ['WAYPOINT_UNKNOWN', 'WAYPOINT_UNKNOWN'],
  );
  t.match(lines[0], {
    level: 'warn',
    message: 'connection failed',
    direction: 'outbound',
    'dst.addr': '127.72.1.2:80',
  });
});

t.test('whoever opens a tunnel without TLS is refused with one line, and counted', async (t) => {
  const stranger = connect(15_008, shell);
  stranger.on('error', () => {});
  stranger.end('GET / HTTP/1.1\r\n\r\n');
  stranger.resume();
  await once(stranger, 'close');
  const [line] = await nextLines(1);
  t.match(line, {
    level: 'warn',
    message: 'connection failed',
    direction: 'inbound',
    'dst.addr': `${shell}:15008`,
    code: 'TLS_FAILED',
  });
  const failures = await mesh.samples('ambientd_connection_failures_total');
  t.same(
    failures.filter(([labels]) => labels['code'] === 'TLS_FAILED'),
    [[{ listener: 'inbound', code: 'TLS_FAILED' }, 1]],
  );
});

t.test('is refused with its reason when there is nowhere to go', async (t) => {
  t.same(await connectThrough(shell, 'empty', 80), { kind: 'refused', reply: 1 });
  t.same(await connectThrough(shell, 'no-such-name', 80), { kind: 'refused', reply: 4 });
  t.same(await connectThrough(shell, '127.71.1.9', 9), { kind: 'refused', reply: 5 });
  t.equal((await connectThrough(shell, 'podinfo', 80)).kind, 'refused', 'nobody listens at the pod');
  const lines = await nextLines(5);
  t.same(lines.map(({ code }) => code).sort(), [
    'NO_HEALTHY_UPSTREAM',
    'TARGET_UNKNOWN',
    'TUNNEL_REFUSED',
    'UPSTREAM_REFUSED',
    'UPSTREAM_REFUSED',
  ]);
  const failed = await mesh.samples('istio_tcp_connections_failed_total');
  t.same([...new Set(failed.map(([labels]) => labels['response_flags']))], ['CONNECT']);
  t.same(
    failed.map(([, value]) => value),
    [1, 1, 1],
  );
});

t.test("the proxy's own ports lead nowhere", async (t) => {
  for (const port of [15_001, 15_006, 15_008, 15_080]) {
    t.equal((await connectThrough(shell, podinfo, port)).kind, 'refused', `${port}`);
  }
  t.same(
    (await nextLines(4)).map(({ code }) => code),
    Array(4).fill('SELF_CALL'),
  );
});

t.test('an HTTP client may name the destination in its request', async (t) => {
  const program = await startProgram(podinfo, 9898, (socket) => {
    socket.once('data', (chunk) => socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${chunk}`));
  });
  t.teardown(() => program.close());
  const client = connect({ host: shell, port: 15_080, allowHalfOpen: true });
  client.end('GET http://podinfo/version HTTP/1.1\r\nProxy-Connection: keep-alive\r\n\r\n');
  t.match(await readToEnd(client), /200 OK[\s\S]*GET \/version HTTP\/1\.1\r\nHost: podinfo\r\nConnection: close/);
  await nextLines(2);
  const refused = connect({ host: shell, port: 15_080 });
  refused.write('CONNECT walled:80 HTTP/1.1\r\n\r\n');
  t.match(await readToEnd(refused), /^HTTP\/1\.1 503 [\s\S]*WAYPOINT_UNKNOWN: unknown waypoint/);
  await nextLines(1);
});

t.test('no socket stays counted as open', async (t) => {
  const open = async (): Promise<number> =>
    (await mesh.samples('istio_tcp_sockets_open'))
      .filter(([l]) => l['reporter'] === 'source')
      .reduce((n, [, v]) => n + v, 0);
  while ((await open()) !== 0) await new Promise((resolve) => setTimeout(resolve, 10));
  t.equal(await open(), 0);
});
