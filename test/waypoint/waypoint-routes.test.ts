// Routes on their way through a real waypoint: requests and connections reach the pods of the subset that they are sent to, and metrics and
// log say so.
import { once } from 'node:events';
import * as http from 'node:http';
import { createServer, type Server } from 'node:net';
import t, { type Test } from 'tap';
import { parsePrometheusText } from '../../deploy/local/prometheus-text.ts';
import { ByteStreamDuplex } from '../../waypoint/http/byte-stream-duplex.ts';
import { record } from '../support/recording-sink.ts';
import { routeManifest } from '../support/route-manifests.ts';
import { startWaypointMesh, type WaypointMesh, waypointManifest } from '../support/waypoint-mesh.ts';

const deployment = (name: string, app: string, version: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: podinfo }
spec:
  selector: { matchLabels: { app: ${app}, version: ${version} } }
  template:
    metadata: { labels: { app: ${app}, version: ${version} } }
    spec: { serviceAccountName: ${app}, containers: [{ name: main, image: ${app} }] }
---`;

const manifests = `
apiVersion: v1
kind: Service
metadata: { name: shop, namespace: podinfo }
spec: { selector: { app: shop }, ports: [{ name: http, port: 80, targetPort: 8080 }, { name: tcp-db, port: 3306, targetPort: 3306 }] }
---
apiVersion: v1
kind: Service
metadata: { name: next, namespace: podinfo }
spec: { selector: { app: shop, version: v2 }, ports: [{ name: http, port: 8000, targetPort: 8080 }] }
---
${deployment('shop-v1', 'shop', 'v1')}
${deployment('shop-v2', 'shop', 'v2')}
${deployment('curl', 'curl', 'v1')}
${routeManifest(
  'DestinationRule',
  'shop',
  'host: shop\nsubsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }, { name: v3, labels: { version: v3 } }]',
  'podinfo',
)}`;

const toSubset = (protocol: string, subset: string) =>
  routeManifest(
    'VirtualService',
    'shop',
    `hosts: [shop]\n${protocol}: [{ route: [{ destination: { host: shop, subset: ${subset} } }] }]`,
    'podinfo',
  );

async function serve(t: Test, mesh: WaypointMesh, pod: string, port: number, make: () => Server): Promise<void> {
  const server = make().listen(port, mesh.podIp(pod));
  await once(server, 'listening');
  t.teardown(() => server.close());
}

async function startShop(t: Test, ...routes: readonly string[]): Promise<WaypointMesh> {
  const mesh = await startWaypointMesh(t, [waypointManifest, manifests, ...routes], { ACCESS_LOG: 'true' });
  for (const version of ['v1', 'v2']) {
    await serve(t, mesh, `shop-${version}`, 8080, () =>
      http.createServer({ keepAliveTimeout: 1 }, (_, response) => response.end(version)),
    );
    await serve(t, mesh, `shop-${version}`, 3306, () =>
      createServer((socket) => socket.on('error', () => {}).end(version)),
    );
  }
  return mesh;
}

async function get(mesh: WaypointMesh, path = '/'): Promise<string> {
  const stream = await mesh.connect(`${mesh.serviceIp('shop')}:80`);
  const createConnection = () => new ByteStreamDuplex(stream) as never;
  const request = http.get({ path, headers: { host: 'shop' }, createConnection });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const body = Buffer.concat(await response.toArray()).toString();
  return `${response.statusCode} ${body}`;
}

async function connect(mesh: WaypointMesh): Promise<string> {
  const stream = await mesh.connect(`${mesh.serviceIp('shop')}:3306`);
  const sink = record(stream);
  await sink.ended();
  stream.end();
  await sink.closed();
  return sink.text;
}

/** Counted at the end, which the client may see a moment earlier. */
async function labelsOf(mesh: WaypointMesh, metric: string, wanted: Record<string, string>) {
  for (let tries = 0; ; tries += 1) {
    const samples = parsePrometheusText(await mesh.metrics()).filter(({ name }) => name === metric);
    const found = samples.filter(({ labels }) =>
      Object.entries(wanted).every(([name, value]) => labels[name] === value),
    );
    if (found.length > 0 || tries > 100) return found;
    await new Promise((settle) => setTimeout(settle, 20));
  }
}

t.test('requests go to the subset that a VirtualService names', async (t) => {
  const mesh = await startShop(t, toSubset('http', 'v2'));
  for (let each = 0; each < 8; each += 1) t.equal(await get(mesh), '200 v2');
  const [counted, ...others] = await labelsOf(mesh, 'istio_requests_total', { destination_version: 'v2' });
  t.match(counted, { value: 8, labels: { destination_workload: 'shop-v2', destination_service_name: 'shop' } });
  t.equal(others.length, 0);
  const line = mesh.logged.find((text) => text.includes('GET /'));
  t.match(line, 'inbound-vip|80|http/v2|shop.podinfo.svc.cluster.local');
});

t.test('connections go to the subset that a VirtualService names', async (t) => {
  const mesh = await startShop(t, toSubset('tcp', 'v1'));
  for (let each = 0; each < 8; each += 1) t.equal(await connect(mesh), 'v1');
  const closed = await labelsOf(mesh, 'istio_tcp_connections_closed_total', { destination_version: 'v1' });
  t.match(closed, [{ value: 8, labels: { destination_workload: 'shop-v1', reporter: 'waypoint' } }]);
});

t.test('requests go to another service by the weights of an HTTPRoute', async (t) => {
  const shared = routeManifest(
    'HTTPRoute',
    'shop',
    `parentRefs: [{ group: "", kind: Service, name: shop }]
rules: [{ backendRefs: [{ name: shop, port: 80, weight: 0 }, { name: next, port: 8000, weight: 7 }] }]`,
    'podinfo',
  );
  const mesh = await startShop(t, shared);
  for (let each = 0; each < 4; each += 1) t.equal(await get(mesh), '200 v2');
  const counted = await labelsOf(mesh, 'istio_requests_total', { destination_service_name: 'next' });
  t.match(counted, [{ value: 4, labels: { destination_service: 'next.podinfo.svc.cluster.local' } }]);
});

t.test('a subset that no pod is of has no endpoint, and one that is not known is no destination', async (t) => {
  const mesh = await startShop(t, toSubset('http', 'v3'));
  t.equal(await get(mesh), '503 no healthy upstream');
  t.equal((await labelsOf(mesh, 'istio_requests_total', { response_flags: 'UH' })).length, 1);
  t.match(mesh.logged.join(''), /none of the 2 endpoints of service .* is of subset v3 \(version=v3\)/);
  await mesh.write(waypointManifest, manifests, toSubset('http', 'v9'));
  t.equal(await get(mesh), '503 ');
  t.equal((await labelsOf(mesh, 'istio_requests_total', { response_flags: 'NC', response_code: '503' })).length, 1);
  const onlyThere = `hosts: [shop]
http: [{ match: [{ uri: { exact: /there } }], route: [{ destination: { host: shop, subset: v1 } }] }]`;
  await mesh.write(waypointManifest, manifests, routeManifest('VirtualService', 'shop', onlyThere, 'podinfo'));
  t.equal(await get(mesh, '/there'), '200 v1');
  t.equal(await get(mesh, '/elsewhere'), '404 ');
  t.equal((await labelsOf(mesh, 'istio_requests_total', { response_flags: 'NR', response_code: '404' })).length, 1);
  await mesh.write(waypointManifest, manifests, toSubset('tcp', 'v9'));
  t.equal(await connect(mesh), '', 'reset before a byte');
});
