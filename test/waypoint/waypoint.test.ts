import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import t, { type Test } from 'tap';
import { ByteStreamDuplex } from '../../waypoint/http/byte-stream-duplex.ts';
import { record } from '../support/recording-sink.ts';
import { startWaypointMesh, type WaypointMesh } from '../support/waypoint-mesh.ts';

const manifests = join(process.env['AMBIENTD_SHARED'] ?? join(import.meta.dirname, '../../../shared'), 'manifests');
const podinfoFile = join(manifests, 'podinfo-per-route.yaml');
const skip = existsSync(podinfoFile) ? false : `${podinfoFile} is not there (AMBIENTD_SHARED names another folder)`;

const workloads = `
apiVersion: v1
kind: Service
metadata: { name: podinfo-svc, namespace: podinfo }
spec:
  selector: { app: podinfo }
  ports:
    - { name: http, port: 9898, targetPort: 9898 }
    - { name: grpc, port: 9999, targetPort: 9999 }
    - { name: tcp-db, port: 3306, targetPort: 3306 }
    - { name: anything, port: 7000, targetPort: 7000 }
    - { name: http-dead, port: 8001, targetPort: 8001 }
---
apiVersion: v1
kind: Service
metadata: { name: nobody, namespace: podinfo }
spec:
  selector: { app: nobody }
  ports: [{ name: http, port: 80, targetPort: 80 }]
---
apiVersion: v1
kind: Service
metadata: { name: elsewhere, namespace: other }
spec:
  selector: { app: elsewhere }
  ports: [{ name: http, port: 80, targetPort: 80 }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: podinfo, namespace: podinfo }
spec:
  selector: { matchLabels: { app: podinfo } }
  template:
    metadata: { labels: { app: podinfo } }
    spec:
      containers: [{ name: podinfo, image: podinfo }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: curl, namespace: podinfo }
spec:
  selector: { matchLabels: { app: curl } }
  template:
    metadata: { labels: { app: curl } }
    spec:
      serviceAccountName: curl
      containers: [{ name: curl, image: curl }]
`;

async function startMesh(t: Test, ...more: string[]): Promise<WaypointMesh> {
  return startWaypointMesh(t, [readFileSync(podinfoFile, 'utf8'), workloads, ...more], { ACCESS_LOG: 'true' });
}

async function startApp(t: Test, mesh: WaypointMesh, handler: http.RequestListener): Promise<void> {
  const app = http.createServer(handler).listen(9898, mesh.podIp('podinfo-'));
  await once(app, 'listening');
  t.teardown(() => {
    app.closeAllConnections();
    app.close();
  });
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function open(mesh: WaypointMesh, service: string, port: number): Promise<Duplex> {
  const duplex = new ByteStreamDuplex(await mesh.connect(`${mesh.serviceIp(service)}:${port}`));
  duplex.on('error', () => undefined);
  return duplex;
}

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

async function ask(
  mesh: WaypointMesh,
  options: http.RequestOptions,
  body?: string,
  service = 'podinfo-svc',
  port = 9898,
): Promise<Answer> {
  const socket = await open(mesh, service, port);
  const headers = { host: `${service}:${port}`, ...(options.headers as http.OutgoingHttpHeaders) };
  const request = http.request({ createConnection: () => socket as never, ...options, headers });
  request.on('error', () => undefined);
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const answer = { status: response.statusCode ?? 0, headers: response.headers, body: String(await readAll(response)) };
  socket.end();
  return answer;
}

/** Lines of one metric, without its name and value. */
function seriesOf(text: string, metric: string): string[] {
  return text.split('\n').filter((line) => line.startsWith(`${metric}{`));
}

/** Metrics are counted at the end of a request, which its client may see a moment earlier. */
async function metricsWith(mesh: WaypointMesh, expected: RegExp): Promise<string> {
  for (let tries = 0; ; tries += 1) {
    const text = await mesh.metrics();
    if (expected.test(text) || tries > 50) return text;
    await new Promise((settle) => setTimeout(settle, 20));
  }
}

const standardLabels =
  'reporter="waypoint",source_workload="curl",source_canonical_service="curl",source_canonical_revision="latest",' +
  'source_workload_namespace="podinfo",source_principal="spiffe://cluster.local/ns/podinfo/sa/curl",source_app="curl",' +
  'source_version="latest",source_cluster="Kubernetes",destination_workload="podinfo",' +
  'destination_workload_namespace="podinfo",destination_principal="spiffe://cluster.local/ns/podinfo/sa/default",' +
  'destination_app="podinfo",destination_version="latest",' +
  'destination_service="podinfo-svc.podinfo.svc.cluster.local",destination_canonical_service="podinfo",' +
  'destination_canonical_revision="latest",destination_service_name="podinfo-svc",' +
  'destination_service_namespace="podinfo",destination_cluster="Kubernetes"';

t.test('the manifests that users have count requests per route', { skip }, async (t) => {
  const mesh = await startMesh(t);
  await startApp(t, mesh, async (request, response) => {
    const body = await readAll(request);
    response.statusCode = request.method === 'POST' ? 202 : 200;
    response.end(request.url === '/echo' ? body : 'ok');
  });
  const healthz = await ask(mesh, { path: '/healthz?verbose=1' });
  t.match(healthz, { status: 200, body: 'ok', headers: { server: 'istio-envoy' } });
  t.match(healthz.headers['x-envoy-upstream-service-time'], /^\d+$/);
  t.match(await ask(mesh, { path: '/healthz' }), { status: 200 });
  t.match(await ask(mesh, { path: '/echo', method: 'POST' }, 'test'), { status: 202, body: 'test' });
  t.match(await ask(mesh, { path: '/version' }), { status: 200 });

  const text = await metricsWith(mesh, /route_name="unknown"/);
  const http200 = 'request_protocol="http",response_code="200",grpc_response_status="",response_flags="-"';
  const security = 'connection_security_policy="mutual_tls"';
  t.strictSame(
    seriesOf(text, 'istio_requests_total').sort(),
    [
      `istio_requests_total{${standardLabels},${http200},${security},route_name="GET /healthz"} 2`,
      `istio_requests_total{${standardLabels},${http200},${security},route_name="unknown"} 1`,
      `istio_requests_total{${standardLabels},${http200.replace('200', '202')},${security},route_name="POST /echo"} 1`,
    ].sort(),
  );
  t.match(text, `# TYPE istio_requests_total counter`);
  for (const metric of ['istio_request_duration_milliseconds', 'istio_request_bytes', 'istio_response_bytes']) {
    const counts = seriesOf(text, `${metric}_count`).sort();
    t.strictSame(
      counts,
      [
        `${metric}_count{${standardLabels},${http200},${security}} 3`,
        `${metric}_count{${standardLabels},${http200.replace('200', '202')},${security}} 1`,
      ],
      `${metric} has no route_name`,
    );
    t.equal(seriesOf(text, `${metric}_bucket`).length, 40);
  }
  t.strictSame(new Set(mesh.tunnels.map(({ authority }) => authority)), new Set([`${mesh.podIp('podinfo-')}:9898`]));
  t.equal(mesh.tunnels[0]?.peer, `spiffe://cluster.local/ns/podinfo/sa/podinfo-waypoint`);
  t.match(
    mesh.tunnels[0]?.baggage,
    /^k8s.cluster.name=Kubernetes,k8s.namespace.name=podinfo,k8s.(pod|deployment).name=podinfo-waypoint/,
  );
  const line = mesh.logged.find((text) => text.includes('/healthz'));
  t.match(
    line,
    /"GET \/healthz\?verbose=1 HTTP\/1.1" 200 - via_upstream - "-" 0 2 \d+ \d+ "-" "-" "[0-9a-f-]{36}" "podinfo-svc:9898"/,
  );
  t.match(
    line,
    new RegExp(
      `inbound-vip\\|9898\\|http\\|podinfo-svc.podinfo.svc.cluster.local - ${mesh.serviceIp('podinfo-svc')}:9898 ${mesh.podIp('curl')}:\\d+ - default`,
    ),
  );
});

t.test('what the waypoint adds to requests', { skip }, async (t) => {
  const mesh = await startMesh(t);
  await startApp(t, mesh, (request, response) => response.end(JSON.stringify(request.headers)));
  const sent = { 'x-forwarded-for': '10.1.1.1', 'x-forwarded-client-cert': 'By=forged', 'x-request-id': 'mine' };
  const seen = JSON.parse((await ask(mesh, { headers: sent })).body);
  t.match(seen, {
    host: 'podinfo-svc:9898',
    'x-request-id': 'mine',
    'x-forwarded-for': '10.1.1.1',
    'x-forwarded-proto': 'http',
  });
  t.equal(seen['x-forwarded-client-cert'], undefined, 'who called is not what the client says');
  t.match(JSON.parse((await ask(mesh, {})).body)['x-request-id'], /^[0-9a-f-]{36}$/);
});

t.test('HTTP/2 and gRPC pass with their trailers, and are counted as such', { skip }, async (t) => {
  const mesh = await startMesh(t);
  const app = http2.createServer();
  app.on('stream', (stream, headers) => {
    t.equal(headers[':authority'], 'podinfo-svc:9999');
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '5' }));
    stream.on('data', (data) => stream.write(data));
    stream.on('end', () => stream.end());
  });
  app.listen(9999, mesh.podIp('podinfo-'));
  await once(app, 'listening');
  t.teardown(() => app.close());
  const socket = await open(mesh, 'podinfo-svc', 9999);
  const session = http2.connect('http://podinfo-svc:9999', { createConnection: () => socket });
  session.on('error', () => undefined);
  t.teardown(() => session.destroy());
  const call = session.request({
    ':method': 'POST',
    ':path': '/pkg.Echo/Say',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const trailers = once(call, 'trailers');
  const message = (text: string): Buffer => Buffer.from(`\0\0\0\0\x03${text}`);
  call.write(message('one'));
  t.equal(String((await once(call, 'data'))[0]), String(message('one')));
  call.end(Buffer.concat([message('two'), message('3rd')]));
  call.resume();
  t.match((await trailers)[0], { 'grpc-status': '5' });
  const text = await metricsWith(mesh, /request_protocol="grpc"/);
  t.match(seriesOf(text, 'istio_requests_total'), [
    /request_protocol="grpc",response_code="200",grpc_response_status="5",response_flags="-",.*route_name="unknown"} 1$/,
  ]);
  for (const side of ['request', 'response']) {
    t.match(seriesOf(text, `istio_${side}_messages_total`), [
      /destination_workload="podinfo".*destination_cluster="Kubernetes"\} 3$/,
    ]);
  }
});

t.test('a WebSocket passes', { skip }, async (t) => {
  const mesh = await startMesh(t);
  const app = http.createServer();
  app.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n');
    socket.pipe(socket);
  });
  app.listen(9898, mesh.podIp('podinfo-'));
  await once(app, 'listening');
  t.teardown(() => app.close());
  const socket = await open(mesh, 'podinfo-svc', 9898);
  const request = http.request({
    createConnection: () => socket as never,
    headers: { host: 'a', connection: 'upgrade', upgrade: 'websocket' },
  });
  request.on('error', () => undefined);
  request.end();
  const [response, upgraded] = (await once(request, 'upgrade')) as [http.IncomingMessage, Duplex];
  t.equal(response.statusCode, 101);
  upgraded.write('frame');
  t.equal(String((await once(upgraded, 'data'))[0]), 'frame');
  upgraded.end();
  const text = await metricsWith(mesh, /response_code="101"/);
  t.equal(seriesOf(text, 'istio_requests_total').length, 1);
});

t.test('50 MB pass unaltered up and down', { skip }, async (t) => {
  const mesh = await startMesh(t);
  const big = randomBytes(50 * 1024 * 1024);
  const hash = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
  await startApp(t, mesh, async (request, response) => {
    const same = hash(await readAll(request)) === hash(big);
    response.end(same ? big : 'altered');
  });
  const socket = await open(mesh, 'podinfo-svc', 9898);
  const request = http.request({ createConnection: () => socket as never, method: 'POST', headers: { host: 'a' } });
  request.on('error', () => undefined);
  request.end(big);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  t.equal(hash(await readAll(response)), hash(big));
});

t.test('a declared TCP port is carried unread, and counted per connection', { skip }, async (t) => {
  const mesh = await startMesh(t);
  const app = createServer({ allowHalfOpen: true }, (socket) => {
    socket.write('greeting ');
    socket.on('data', (data) => socket.write(data));
    socket.on('end', () => socket.end());
  });
  app.listen(3306, mesh.podIp('podinfo-'));
  await once(app, 'listening');
  t.teardown(() => app.close());
  const stream = await mesh.connect(`${mesh.serviceIp('podinfo-svc')}:3306`);
  const sink = record(stream);
  await sink.until(() => sink.text.length > 0);
  stream.write(Buffer.from('GET / HTTP/1.1'));
  stream.end();
  await sink.closed();
  t.equal(sink.text, 'greeting GET / HTTP/1.1');
  const text = await metricsWith(mesh, /istio_tcp_connections_closed_total/);
  const labels = `${standardLabels},request_protocol="tcp",response_flags="-",connection_security_policy="mutual_tls"`;
  t.strictSame(seriesOf(text, 'istio_tcp_connections_opened_total'), [
    `istio_tcp_connections_opened_total{${labels}} 1`,
  ]);
  t.strictSame(seriesOf(text, 'istio_tcp_connections_closed_total'), [
    `istio_tcp_connections_closed_total{${labels}} 1`,
  ]);
  t.strictSame(seriesOf(text, 'istio_tcp_received_bytes_total'), [`istio_tcp_received_bytes_total{${labels}} 14`]);
  t.strictSame(seriesOf(text, 'istio_tcp_sent_bytes_total'), [`istio_tcp_sent_bytes_total{${labels}} 23`]);
  t.equal(seriesOf(text, 'istio_requests_total').length, 0);
  t.match(text, /^istio_build\{component="proxy",tag="unknown"\} 1$/m);
  t.match(text, /^process_open_fds \d+$/m);
  t.match(text, /^nodejs_eventloop_lag_max_seconds /m);
});

t.test(
  'a port of undeclared protocol is read when it speaks HTTP, else carried, also when the server speaks first',
  { skip },
  async (t) => {
    const mesh = await startMesh(t);
    const app = createServer((socket) => {
      const timer = setTimeout(() => socket.end('server first'), 50);
      socket.once('data', (data) => {
        clearTimeout(timer);
        const isHttp = String(data).startsWith('GET');
        socket.end(isHttp ? 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok' : `seen ${data}`);
      });
    });
    app.listen(7000, mesh.podIp('podinfo-'));
    await once(app, 'listening');
    t.teardown(() => app.close());
    t.match(await ask(mesh, { path: '/healthz' }, undefined, 'podinfo-svc', 7000), { status: 200, body: 'ok' });
    for (const [sent, expected] of [
      ['\x16\x03\x01', 'seen \x16\x03\x01'],
      ['', 'server first'],
    ] as const) {
      const stream = await mesh.connect(`${mesh.serviceIp('podinfo-svc')}:7000`);
      const sink = record(stream);
      if (sent !== '') stream.write(Buffer.from(sent));
      await sink.ended();
      t.equal(sink.text, expected);
      stream.end();
    }
    const text = await metricsWith(mesh, /istio_tcp_connections_closed_total\{.*\} 2/);
    t.match(seriesOf(text, 'istio_tcp_connections_closed_total'), [/\} 2$/]);
    t.match(seriesOf(text, 'istio_requests_total'), [/route_name="GET \/healthz"} 1$/]);
  },
);

t.test('a request for which there is no endpoint, or which it refuses, is told so', { skip }, async (t) => {
  const mesh = await startMesh(t);
  t.match(await ask(mesh, {}, undefined, 'nobody', 80), {
    status: 503,
    body: 'no healthy upstream',
    headers: { server: 'istio-envoy' },
  });
  const refused = await ask(mesh, {}, undefined, 'podinfo-svc', 8001);
  t.equal(refused.status, 503);
  t.match(
    refused.body,
    /^upstream connect error or disconnect\/reset before headers. reset reason: remote connection failure, transport failure reason: /,
  );
  const text = await metricsWith(mesh, /response_flags="UF"/);
  const series = seriesOf(text, 'istio_requests_total');
  t.match(
    series.find((line) => line.includes('"UH"')),
    /destination_workload="unknown".*destination_service="nobody.podinfo.svc.cluster.local".*response_code="503"/,
  );
  t.match(
    series.find((line) => line.includes('"UF"')),
    /destination_workload="podinfo".*response_code="503"/,
  );
});

t.test('an endpoint that cuts the connection is told apart', { skip }, async (t) => {
  const mesh = await startMesh(t);
  const app = createServer((socket) => socket.on('error', () => undefined).once('data', () => socket.destroy()));
  app.listen(9898, mesh.podIp('podinfo-'));
  await once(app, 'listening');
  t.teardown(() => app.close());
  const answer = await ask(mesh, {});
  t.match(answer, {
    status: 503,
    body: 'upstream connect error or disconnect/reset before headers. reset reason: connection termination',
  });
  t.match(await metricsWith(mesh, /"UC"/), /response_code="503",grpc_response_status="",response_flags="UC"/);
});

t.test('what this waypoint does not serve is refused, and said why', { skip }, async (t) => {
  const mesh = await startMesh(t);
  const refusals: [string, string, RegExp][] = [
    [`${mesh.serviceIp('elsewhere')}:80`, '400', /other\/elsewhere.* does not use waypoint podinfo\/podinfo-waypoint/],
    [`${mesh.serviceIp('podinfo-svc')}:1`, '503', /has no port 1; it has 9898/],
    ['203.0.113.9:80', '503', /no service or workload has the address 203.0.113.9:80/],
    [`${mesh.podIp('podinfo-')}:9898`, '400', /does not use waypoint/],
    ['nowhere.example:80', '503', /no service is called nowhere.example/],
  ];
  for (const [authority, status, reason] of refusals) {
    await t.rejects(mesh.connect(authority), { code: 'TUNNEL_REFUSED', message: new RegExp(status) }, authority);
    t.match(
      mesh.logged.findLast((line) => line.includes('\taccess\tconnection failed\t')),
      reason,
      authority,
    );
  }
});

const broken = `
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: { name: other, namespace: podinfo }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: podinfo-waypoint }]
  url: oci://example.com/some/filter:v1
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: broken, namespace: podinfo }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: podinfo-waypoint }]
  metrics:
    - overrides:
        - match: { metric: REQUEST_COUNT }
          tagOverrides:
            bad: { value: "request.method ==" }
            method: { value: "request.method" }
`;

t.test('a change of the manifests takes effect without a restart, and what is wrong is named', { skip }, async (t) => {
  const mesh = await startMesh(t);
  await startApp(t, mesh, (_request, response) => response.end());
  await ask(mesh, { path: '/healthz' });
  await mesh.write(readFileSync(podinfoFile, 'utf8'), workloads, broken);
  t.match(await ask(mesh, { path: '/healthz' }), { status: 200 }, 'traffic is not touched');
  const text = await metricsWith(mesh, /method="GET"/);
  t.match(seriesOf(text, 'istio_requests_total'), [
    /route_name="GET \/healthz"} 1$/,
    /,method="GET",route_name="GET \/healthz"} 1$/,
  ]);
  t.match(
    mesh.logged.join(''),
    /WasmPlugin podinfo\/other: spec.url is oci:\/\/example.com\/some\/filter:v1: WebAssembly modules are not run/,
  );
  t.match(
    mesh.logged.join(''),
    /Telemetry podinfo\/broken: spec.metrics\[0\].overrides\[0\].tagOverrides.bad.value does not compile: request.method ==/,
  );
});
