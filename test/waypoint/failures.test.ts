// Every stream that a waypoint refuses, and every connection and request that fails there, has exactly one line of the log, with its code.
import { once } from 'node:events';
import { createServer } from 'node:http';
import * as http2 from 'node:http2';
import { connect } from 'node:net';
import t from 'tap';
import { ByteStreamDuplex } from '../../waypoint/http/byte-stream-duplex.ts';
import { record } from '../support/recording-sink.ts';
import { startWaypointMesh, type WaypointMesh, waypointManifest } from '../support/waypoint-mesh.ts';

const manifest = `
apiVersion: v1
kind: Service
metadata: { name: app, namespace: podinfo }
spec:
  selector: { app: app }
  ports: [{ name: http, port: 80, targetPort: 8080 }, { name: tcp-dead, port: 3306 }]
---
apiVersion: v1
kind: Service
metadata: { name: nobody, namespace: podinfo }
spec:
  selector: { app: nobody }
  ports: [{ name: http, port: 80 }, { name: tcp-db, port: 3306 }]
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
`;

const mesh = await startWaypointMesh(t, [waypointManifest, manifest]);

/** Lines of scope `access` since the last call; waits for the first. */
let seen = 0;
async function nextLines(of: WaypointMesh = mesh): Promise<readonly string[]> {
  const all = (): string[] => of.logged.filter((line) => line.includes('\taccess\t'));
  while (all().length === seen) await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const lines = all().slice(seen);
  seen += lines.length;
  return lines;
}

async function open(service: string, port: number) {
  const stream = await mesh.connect(`${mesh.serviceIp(service)}:${port}`);
  return { stream, sink: record(stream) };
}

t.test('a peer that speaks no TLS', async (t) => {
  const stranger = connect(15_008, mesh.ip);
  stranger.on('error', () => {});
  stranger.end('GET / HTTP/1.1\r\n\r\n');
  stranger.resume();
  await once(stranger, 'close');
  const lines = await nextLines();
  t.equal(lines.length, 1);
  t.match(
    lines[0],
    /\twarn\taccess\tconnection failed\tsrc\.addr=127\.\S+ dst\.addr=\S+:15008 error="TLS .*code="TLS_FAILED"\n$/,
  );
});

t.test('a CONNECT for what is not served here', async (t) => {
  await t.rejects(mesh.connect('203.0.113.9:80'), { code: 'TUNNEL_REFUSED' });
  const lines = await nextLines();
  t.equal(lines.length, 1);
  t.match(
    lines[0],
    /connection failed\tsrc\.addr=\S+ src\.identity="spiffe:\S+\/sa\/curl" dst\.addr=\S+ dst\.hbone_addr=203\.0\.113\.9:80 error=".*" code="TARGET_UNKNOWN"/,
  );
});

t.test('a request for which there is no endpoint', async (t) => {
  const { stream, sink } = await open('nobody', 80);
  stream.write(Buffer.from('GET /x HTTP/1.1\r\nhost: nobody\r\nconnection: close\r\n\r\n'));
  await sink.ended();
  stream.end();
  t.match(sink.text, /^HTTP\/1\.1 503 /);
  const lines = await nextLines();
  t.equal(lines.length, 1);
  t.match(
    lines[0],
    /\twarn\taccess\trequest failed\tsrc\.addr=\S+ src\.workload="curl".* dst\.service="nobody\.podinfo\.svc\.cluster\.local" request="GET \/x" response_code=503 duration="\d+ms" error=".*" code="NO_HEALTHY_UPSTREAM"/,
  );
});

t.test('a request whose path does not begin with a slash, which no policy by path would mean', async (t) => {
  const socket = new ByteStreamDuplex(await mesh.connect(`${mesh.serviceIp('app')}:80`));
  const session = http2.connect('http://app', { createConnection: () => socket });
  const request = session.request({ ':path': 'admin/users', ':scheme': 'any' });
  const closed = once(request.resume(), 'close');
  const [headers] = await once(request, 'response');
  await closed;
  session.close();
  t.equal(headers[':status'], 404);
  const lines = await nextLines();
  t.equal(lines.length, 1);
  t.match(lines[0], /request="GET admin\/users" response_code=404 .*code="TARGET_MALFORMED"/);
});

t.test('a request to an endpoint where nothing listens, and one that is cut off', async (t) => {
  for (const code of ['TUNNEL_REFUSED', 'CONNECTION_RESET']) {
    const app = createServer((request) => request.socket.destroy());
    if (code === 'CONNECTION_RESET') {
      app.listen(8080, mesh.podIp('app'));
      await once(app, 'listening');
    }
    const { stream, sink } = await open('app', 80);
    stream.write(Buffer.from('GET /x HTTP/1.1\r\nhost: app\r\nconnection: close\r\n\r\n'));
    await sink.ended();
    stream.end();
    t.match(sink.text, /^HTTP\/1\.1 503 /);
    const lines = await nextLines();
    t.equal(lines.length, 1, code);
    t.match(lines[0], `code="${code}"`);
    app.close();
  }
});

t.test('connections for which there is no endpoint, or which it refuses, are counted under their flag', async (t) => {
  for (const [service, code, flag] of [
    ['nobody', 'NO_HEALTHY_UPSTREAM', 'UH'],
    ['app', 'TUNNEL_REFUSED', 'UF'],
  ] as const) {
    const { sink } = await open(service, 3306);
    await sink.closed().catch(() => undefined);
    const lines = await nextLines();
    t.equal(lines.length, 1, code);
    t.match(lines[0], new RegExp(`\\tconnection failed\\t.*dst\\.service="${service}\\..*code="${code}"`));
    const metrics = await mesh.metrics();
    for (const metric of ['istio_tcp_connections_opened_total', 'istio_tcp_connections_closed_total']) {
      const series = metrics
        .split('\n')
        .filter((line) => line.startsWith(`${metric}{`) && line.includes(`"${service}"`));
      t.equal(series.length, 1);
      t.match(series[0], new RegExp(`response_flags="${flag}".*\\} 1$`), metric);
    }
  }
});

t.test('all of them are counted, by code', async (t) => {
  const metrics = await mesh.metrics();
  const counted = metrics.split('\n').filter((line) => line.startsWith('ambientd_connection_failures_total{'));
  t.same(counted, [
    'ambientd_connection_failures_total{listener="waypoint",code="TLS_FAILED"} 1',
    'ambientd_connection_failures_total{listener="waypoint",code="TARGET_UNKNOWN"} 1',
    'ambientd_connection_failures_total{listener="waypoint",code="NO_HEALTHY_UPSTREAM"} 2',
    'ambientd_connection_failures_total{listener="waypoint",code="TARGET_MALFORMED"} 1',
    'ambientd_connection_failures_total{listener="waypoint",code="TUNNEL_REFUSED"} 2',
    'ambientd_connection_failures_total{listener="waypoint",code="CONNECTION_RESET"} 1',
  ]);
});
