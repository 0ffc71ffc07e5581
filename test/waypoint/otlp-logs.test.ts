// Access logs that a Telemetry sends to an OTLP collector inside the mesh, through a real waypoint to a real gRPC server.
import { once } from 'node:events';
import { createServer } from 'node:http';
import t from 'tap';
import { startOtlpCollector } from '../support/otlp-collector.ts';
import { record } from '../support/recording-sink.ts';
import { startWaypointMesh, waypointManifest } from '../support/waypoint-mesh.ts';

const manifest = `
apiVersion: v1
kind: Namespace
metadata: { name: o11y, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: v1
kind: Service
metadata: { name: app, namespace: podinfo }
spec:
  selector: { app: app }
  ports: [{ name: http, port: 80, targetPort: 8080 }, { name: tcp-db, port: 3306 }]
---
apiVersion: v1
kind: Service
metadata: { name: collector, namespace: o11y }
spec:
  selector: { app: collector }
  ports: [{ name: grpc-otlp, port: 4317 }]
---
apiVersion: v1
kind: Pod
metadata: { name: app, namespace: podinfo, labels: { app: app } }
spec: { containers: [{ name: app, image: app }] }
---
apiVersion: v1
kind: Pod
metadata: { name: curl, namespace: podinfo, labels: { app: curl } }
spec: { serviceAccountName: curl, containers: [{ name: curl, image: curl }] }
---
apiVersion: v1
kind: Pod
metadata: { name: collector, namespace: o11y, labels: { app: collector } }
spec: { containers: [{ name: collector, image: collector }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    extensionProviders:
    - name: otel
      envoyOtelAls:
        service: collector.o11y.svc.cluster.local
        port: 4317
        logFormat:
          text: "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS%"
          labels: { caller: "%DOWNSTREAM_PEER_URI_SAN%", code: "%RESPONSE_CODE%" }
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: logs, namespace: podinfo }
spec:
  accessLogging:
  - providers: [{ name: otel }]
    filter: { expression: "!has(request.path) || request.path != '/quiet'" }
`;

const mesh = await startWaypointMesh(t, [waypointManifest, manifest]);
const app = createServer((request, response) => response.end(request.url)).listen(8080, mesh.podIp('app'));
await once(app, 'listening');
t.teardown(() => {
  app.closeAllConnections();
  app.close();
});

const trace = '0af7651916cd43dd8448eb211c80319c';
async function get(path: string): Promise<string> {
  const stream = await mesh.connect(`${mesh.serviceIp('app')}:80`);
  const sink = record(stream);
  const headers = `host: app\r\ntraceparent: 00-${trace}-b7ad6b7169203331-01\r\nconnection: close`;
  stream.write(Buffer.from(`GET ${path} HTTP/1.1\r\n${headers}\r\n\r\n`));
  await sink.ended();
  stream.end();
  return sink.text;
}

async function counted(outcome: string): Promise<number> {
  const name = `ambientd_access_log_records_total{provider="otel",outcome="${outcome}"} `;
  const line = (await mesh.metrics()).split('\n').find((candidate) => candidate.startsWith(name));
  return Number(line?.slice(name.length) ?? 0);
}

t.test('traffic does not wait for a collector that is away; once it is there it gets every record', async (t) => {
  t.match(await get('/first'), /^HTTP\/1.1 200 .*\/first$/s);
  t.match(await get('/quiet'), /^HTTP\/1.1 200 .*\/quiet$/s);
  const isTold = (): boolean => mesh.logged.some((line) => /\taccess\tcollector does not answer/.test(line));
  while (!isTold()) await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(await counted('exported'), 0);

  const collector = await startOtlpCollector(t, mesh.podIp('collector'), 4317);
  t.match(await get('/second'), /^HTTP\/1.1 200 .*\/second$/s);
  const records = await collector.records(2);
  t.same(
    records.map(({ body }) => body),
    ['GET /first 200 -', 'GET /second 200 -'],
    'in order, without what the filter keeps back',
  );
  t.same(records[0]?.attributes, [
    ['caller', 'spiffe://cluster.local/ns/podinfo/sa/curl'],
    ['code', '200'],
  ]);
  t.match(records[0], { traceId: trace, spanId: 'b7ad6b7169203331', flags: 1 });
  const age = Date.now() - Number((records[1]?.timeUnixNano ?? 0n) / 1_000_000n);
  t.ok(age >= 0 && age < 60_000, `its time is that of the request, ${age} ms ago`);
  t.match(collector.exports[0], {
    scope: 'otel_envoy_accesslog',
    resource: { 'service.name': 'podinfo-waypoint.podinfo', 'k8s.namespace.name': 'podinfo' },
  });
  t.ok(
    mesh.tunnels.some(({ authority, peer }) => authority.endsWith(':4317') && peer?.endsWith('/sa/podinfo-waypoint')),
    'the collector was reached through the mesh, as the waypoint',
  );

  const stream = await mesh.connect(`${mesh.serviceIp('app')}:3306`);
  await record(stream).closed();
  t.match((await collector.records(3)).at(-1), {
    body: '- - 0 UF',
    attributes: [
      ['caller', /curl/],
      ['code', '0'],
    ],
  });
  while ((await counted('exported')) < 3) await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(await counted('no_room'), 0);
});
