// The manifest that users publish, byte for byte where it lies, with a workload of ours beside it: every route is counted by
// the waypoint under its name with Istio's labels in Istio's order, and every connection by ztunnel on both sides.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parsePrometheusText } from '../../deploy/local/prometheus-text.ts';
import {
  eventually,
  exampleFolder,
  fetchText,
  samplesWith,
  sharedManifests,
  startLocalMesh,
  whyNoCapture,
} from '../support/local-mesh.ts';

t.setTimeout(120_000);

const manifest = join(sharedManifests, 'podinfo-per-route.yaml');
const skip = existsSync(manifest)
  ? await whyNoCapture()
  : `${manifest} is not there (AMBIENTD_SHARED names another folder)`;

const workload = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: podinfo, namespace: podinfo }
spec:
  selector: { matchLabels: { app: podinfo } }
  template:
    metadata: { labels: { app: podinfo } }
    spec:
      containers:
        - name: podinfo
          image: ghcr.io/stefanprodan/podinfo:6.9.0
          ports: [{ name: http, containerPort: 9898 }]
---
apiVersion: v1
kind: Service
metadata: { name: podinfo-svc, namespace: podinfo }
spec:
  selector: { app: podinfo }
  ports: [{ name: http, port: 9898, targetPort: http }]
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: curl, namespace: podinfo }
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
      containers: [{ name: curl, image: curlimages/curl }]
`;

/** Every label of Istio's, in Istio's order; the user's own comes last. */
const requestLabels = (route: string, code: string) =>
  `{${[
    'reporter="waypoint"',
    'source_workload="curl"',
    'source_canonical_service="curl"',
    'source_canonical_revision="latest"',
    'source_workload_namespace="podinfo"',
    'source_principal="spiffe://cluster.local/ns/podinfo/sa/curl"',
    'source_app="curl"',
    'source_version="latest"',
    'source_cluster="Kubernetes"',
    'destination_workload="podinfo"',
    'destination_workload_namespace="podinfo"',
    'destination_principal="spiffe://cluster.local/ns/podinfo/sa/default"',
    'destination_app="podinfo"',
    'destination_version="latest"',
    'destination_service="podinfo-svc.podinfo.svc.cluster.local"',
    'destination_canonical_service="podinfo"',
    'destination_canonical_revision="latest"',
    'destination_service_name="podinfo-svc"',
    'destination_service_namespace="podinfo"',
    'destination_cluster="Kubernetes"',
    'request_protocol="http"',
    `response_code="${code}"`,
    'grpc_response_status=""',
    'response_flags="-"',
    'connection_security_policy="mutual_tls"',
    ...(route === '' ? [] : [`route_name="${route}"`]),
  ].join(',')}}`;

const ends = (side: string) =>
  [
    'workload',
    'canonical_service',
    'canonical_revision',
    'workload_namespace',
    'principal',
    'app',
    'version',
    'cluster',
  ].map((name) => `${side}_${name}`);
const tcpLabels = [
  'reporter',
  ...ends('source'),
  'destination_service',
  'destination_service_namespace',
  'destination_service_name',
  ...ends('destination'),
  'request_protocol',
  'response_flags',
  'connection_security_policy',
  'source_region',
  'source_zone',
  'destination_region',
  'destination_zone',
];

t.test('podinfo-per-route.yaml as it is published', { skip }, async (t) => {
  const mesh = await startLocalMesh(t, {
    name: 'podinfo',
    besides: [manifest],
    files: { 'workload.yaml': workload },
    args: [
      '--run',
      `ghcr.io/stefanprodan/podinfo=exec ${process.execPath} ${join(exampleFolder, 'main.ts')}`,
      '--run',
      'curlimages/curl=exec sleep 600',
    ],
  });
  const url = 'http://podinfo-svc.podinfo:9898';

  await t.test('the manifest gives no warning', async (t) => {
    t.notMatch(mesh.running.output(), /warning/);
    t.same((await mesh.status()).problems, []);
  });

  await t.test('requests pass as its author sends them', async (t) => {
    t.match(await mesh.curl('podinfo/curl', `${url}/healthz`), { status: 200, body: /OK/ });
    t.same(await mesh.curl('podinfo/curl', '-X', 'POST', '-d', 'test', `${url}/echo`), {
      status: 202,
      body: 'test',
      exitCode: 0,
    });
    t.match(await mesh.curl('podinfo/curl', `${url}/version`), { status: 200 });
    t.match(
      await mesh.curl('podinfo/curl', `${url}/echo`),
      { status: 404 },
      'GET /echo is another route than POST /echo',
    );
  });

  await t.test('istio_requests_total has every label of Istio in its order, and the route', async (t) => {
    const expected = [
      `istio_requests_total${requestLabels('GET /healthz', '200')} 1`,
      `istio_requests_total${requestLabels('POST /echo', '202')} 1`,
      `istio_requests_total${requestLabels('unknown', '200')} 1`,
      `istio_requests_total${requestLabels('unknown', '404')} 1`,
    ];
    const lines = async () =>
      (await mesh.metrics('waypoints'))
        .split('\n')
        .filter((line) => line.startsWith('istio_requests_total{'))
        .sort();
    t.same(await eventually(lines, (found) => found.length >= expected.length), expected.sort());
  });

  await t.test('duration and sizes are histograms of the same requests, without the route', async (t) => {
    const text = await mesh.metrics('waypoints');
    for (const name of ['istio_request_duration_milliseconds', 'istio_request_bytes', 'istio_response_bytes']) {
      t.match(text, `# TYPE ${name} histogram\n`);
      t.match(text, `${name}_count${requestLabels('', '200')} 2\n`, `${name} counts both requests with status 200`);
      const all = samplesWith(parsePrometheusText(text), `${name}_bucket`, { response_code: '202', le: '+Inf' });
      t.same(
        all.map(({ value }) => value),
        [1],
      );
    }
  });

  await t.test('a waypoint answers at both of its ports with the same series', async (t) => {
    const [waypoint] = (await mesh.status()).waypoints;
    const at15090 = await fetchText(`${waypoint?.metricsUrl}/stats/prometheus`);
    t.match(at15090, `istio_requests_total${requestLabels('GET /healthz', '200')} 1\n`);
    const asPod = await mesh.curl('podinfo/curl', `http://${waypoint?.address}:15020/stats/prometheus`);
    t.match(asPod, { status: 200, body: /istio_requests_total\{/ }, 'and a scraper inside the mesh reaches it');
  });

  await t.test('ztunnel counts the connections on both sides', async (t) => {
    const sides = [
      { reporter: 'source', source_workload: 'curl', connection_security_policy: 'mutual_tls', response_flags: '-' },
      {
        reporter: 'destination',
        source_workload: 'podinfo-waypoint',
        source_principal: 'spiffe://cluster.local/ns/podinfo/sa/podinfo-waypoint',
        destination_workload: 'podinfo',
        destination_principal: 'spiffe://cluster.local/ns/podinfo/sa/default',
        connection_security_policy: 'mutual_tls',
      },
    ];
    for (const labels of sides) {
      const opened = () =>
        mesh.samples('ztunnel').then((all) => samplesWith(all, 'istio_tcp_connections_opened_total', labels));
      const [sample] = await eventually(opened, (found) => found.length > 0);
      t.ok((sample?.value ?? 0) > 0, `reporter ${labels.reporter}`);
      t.same(Object.keys(sample?.labels ?? {}), tcpLabels);
    }
    const closed = () =>
      mesh
        .samples('ztunnel')
        .then((all) =>
          samplesWith(all, 'istio_tcp_connections_closed_total', { reporter: 'source', source_workload: 'curl' }),
        );
    t.ok((await eventually(closed, (found) => (found[0]?.value ?? 0) >= 4))[0]);
    for (const name of ['istio_tcp_sent_bytes_total', 'istio_tcp_received_bytes_total']) {
      const [sample] = samplesWith(await mesh.samples('ztunnel'), name, {
        reporter: 'source',
        source_workload: 'curl',
      });
      t.ok((sample?.value ?? 0) > 100, name);
    }
  });
});
