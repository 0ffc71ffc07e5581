// Manifests that are edited while the mesh runs: what is right takes effect without a restart, what is wrong is told by file, line
// and object while the last good state keeps serving, and what is mended takes effect again.
import t from 'tap';
import { eventually, samplesWith, startLocalMesh, whyNoCapture } from '../support/local-mesh.ts';

t.setTimeout(120_000);

const skip = await whyNoCapture();

const namespace = (labels: string) => `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { ${labels} } }
`;
const enrolled = 'istio.io/dataplane-mode: ambient, istio.io/use-waypoint: door';

const gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: door, namespace: shop }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: routes, namespace: shop }
spec:
  metrics:
    - providers: [{ name: prometheus }]
      overrides:
        - match: { metric: REQUEST_COUNT }
          tagOverrides: { route_name: { value: "filter_state['wasm.istio_operationId']" } }
`;

const plugin = (...rules: readonly (readonly [string, string])[]) => `
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: { name: routes, namespace: shop }
spec:
  targetRefs: [{ kind: Gateway, group: gateway.networking.k8s.io, name: door }]
  url: https://example.com/attributegen.wasm
  pluginConfig:
    attributes:
      - output_attribute: istio_operationId
        match: ${JSON.stringify(rules.map(([value, condition]) => ({ value, condition })))}
`;
const rule = (path: string): readonly [string, string] => [`route ${path}`, `request.url_path == '/${path}'`];

const workload = (replicas: number) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: server, namespace: shop }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: server } }
  template:
    metadata: { labels: { app: server } }
    spec: { containers: [{ name: main, image: echo, ports: [{ containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: client, namespace: shop }
spec: { containers: [{ name: main, image: client }] }
`;

const service = (name: string, port = '80') => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { selector: { app: server }, ports: [{ name: http, port: ${port}, targetPort: 8080 }] }
`;

t.test('edits while the mesh runs', { skip }, async (t) => {
  const mesh = await startLocalMesh(t, {
    name: 'edits',
    files: {
      'namespace.yaml': namespace(enrolled),
      'gateway.yaml': gateway,
      'routes.yaml': plugin(rule('a')),
      'workload.yaml': workload(1),
      'service.yaml': service('server'),
    },
  });
  const isServed = async (url: string) => (await mesh.curl('shop/client', '-o', '/dev/null', url)).status === 200;
  const routesCounted = async () => {
    const samples = samplesWith(await mesh.samples('waypoints'), 'istio_requests_total');
    return Object.fromEntries(samples.map(({ labels, value }) => [labels['route_name'], value]));
  };
  const pods = async () => (await mesh.status()).pods.filter(({ workload: of }) => of === 'server');
  const says = (pattern: RegExp) =>
    eventually(
      () => mesh.running.output(),
      (text) => pattern.test(text),
    );
  const first = await mesh.status();

  await t.test('a rule that is added names its route', async (t) => {
    t.ok(await isServed('http://server/a'));
    t.ok(await isServed('http://server/b'));
    t.same(await eventually(routesCounted, (all) => Object.keys(all).length === 2), { 'route a': 1, unknown: 1 });
    mesh.write('routes.yaml', plugin(rule('a'), rule('b')));
    const named = async () => (await isServed('http://server/b')) && (await routesCounted());
    t.match(await eventually(named, (all) => all !== false && 'route b' in all), { 'route a': 1, 'route b': 1 });
  });

  await t.test('a Service that is added is reached by its name, one that is removed is not', async (t) => {
    mesh.write('second.yaml', service('second', '8000'));
    t.ok(
      await eventually(
        () => isServed('http://second:8000/'),
        (served) => served,
      ),
    );
    mesh.write('second.yaml', '');
    t.notOk(
      await eventually(
        () => isServed('http://second:8000/'),
        (served) => !served,
      ),
    );
  });

  await t.test('pods come and go', async (t) => {
    const [before] = await pods();
    mesh.write('workload.yaml', workload(2));
    const two = await eventually(pods, (all) => all.length === 2 && all.every(({ state }) => state === 'ready'));
    t.same(
      two.map(({ state }) => state),
      ['ready', 'ready'],
    );
    const answering = async () => {
      const { output } = await mesh.exec(
        'shop/client',
        'sh',
        '-c',
        'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do curl -s --max-time 5 http://server/c; done',
      );
      return new Set([...output.matchAll(/"pod":"([^"]+)"/g)].map(([, name]) => name));
    };
    t.same(
      await eventually(answering, (names) => names.size === 2),
      new Set(two.map(({ name }) => name)),
      'both serve',
    );
    mesh.write('workload.yaml', workload(1));
    const one = await eventually(pods, (all) => all.length === 1);
    t.same(
      one.map(({ name }) => name),
      [before?.name],
      'the one that was there first stays',
    );
    t.same(await eventually(answering, (names) => names.size === 1), new Set([before?.name]));
  });

  await t.test('a broken edit is told by file, line and object, and changes nothing', async (t) => {
    mesh.write('service.yaml', `${service('third')}---${service('server', 'eighty')}`);
    t.match(
      await says(/service\.yaml:7: Service shop\/server: .*eighty/),
      /warning: .*service\.yaml:7: Service shop\/server: spec\.ports\[0\]\.port is "eighty".*\(its last good version keeps serving until then\)/,
    );
    t.ok(await isServed('http://server/a'), 'the Service keeps its last good port');
    t.ok(
      await eventually(
        () => isServed('http://third/'),
        (served) => served,
      ),
      'what is right in the same file counts',
    );

    mesh.write('workload.yaml', `${workload(3)}---\nkind: [`);
    t.match(await says(/warning: .*workload\.yaml:\d+/), /warning: .*workload\.yaml:\d+: .*; mend the text/);
    t.ok(await isServed('http://server/a'));

    mesh.write('routes.yaml', plugin(rule('a'), ['broken', 'request.url_path ==']));
    t.match(
      await says(/routes\.yaml:2: WasmPlugin/),
      /warning: .*routes\.yaml:2: WasmPlugin shop\/routes: .* does not compile/,
    );
    const before = await routesCounted();
    t.ok(await isServed('http://server/b'));
    const after = await eventually(
      routesCounted,
      (all) => all['route b'] !== before['route b'] || all['unknown'] !== before['unknown'],
    );
    t.equal(after['route b'], (before['route b'] ?? 0) + 1, 'the routes keep their last good rules');
  });

  await t.test('a mended edit takes effect', async (t) => {
    mesh.write('service.yaml', service('server', '81'));
    mesh.write('workload.yaml', workload(1));
    mesh.write('routes.yaml', plugin(rule('a'), rule('d')));
    t.match(await says(/mended: .*routes\.yaml/), /mended: .*service\.yaml:7: Service shop\/server/);
    const named = async () => (await isServed('http://server:81/d')) && (await routesCounted());
    t.match(await eventually(named, (all) => all !== false && 'route d' in all), { 'route d': Number });
    t.same((await mesh.status()).problems, []);
  });

  await t.test('pods whose namespace loses its label leave the mesh, and come back with it', async (t) => {
    const opened = async () =>
      samplesWith(await mesh.samples('ztunnel'), 'istio_tcp_connections_opened_total').reduce(
        (sum, { value }) => sum + value,
        0,
      );
    mesh.write('namespace.yaml', namespace('team: shop'));
    const left = await eventually(pods, (all) => all.every((pod) => !pod.enrolled));
    t.ok(
      left.every(({ enrolled: is, notEnrolledReason, state }) => !is && notEnrolledReason !== '' && state === 'ready'),
    );
    t.ok(
      await eventually(
        () => isServed('http://server:81/a'),
        (served) => served,
      ),
      'it is served in plain',
    );
    const before = await opened();
    t.ok(await isServed('http://server:81/a'));
    t.equal(await opened(), before, 'and ztunnel has no part in it');

    mesh.write('namespace.yaml', namespace(enrolled));
    t.ok(
      await eventually(
        () => mesh.status(),
        (status) => status.pods.every((pod) => pod.enrolled || pod.role === 'waypoint'),
      ),
    );
    const counted = async () => (await isServed('http://server:81/d')) && (await opened()) > before;
    t.ok(await eventually(counted, (is) => is), 'traffic is captured again');
  });

  await t.test('no pod was restarted for any of it', async (t) => {
    const client = first.pods.find(({ name }) => name === 'client');
    const waypoint = first.pods.find(({ role }) => role === 'waypoint');
    const now = await mesh.status();
    for (const before of [client, waypoint]) {
      const pod = now.pods.find(({ name }) => name === before?.name);
      t.same(
        [pod?.sandboxPid, pod?.address, pod?.containers],
        [before?.sandboxPid, before?.address, before?.containers],
      );
    }
  });
});
