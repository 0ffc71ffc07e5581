// Which access logs a waypoint writes, by Telemetry resources and MeshConfig (waypoint-telemetry.md §2.6, §2.9).
import t from 'tap';
import { parseManifest } from '../../../common/sources/manifests/manifest-parser.ts';
import { formatResourceProblem } from '../../../common/sources/resource-problem.ts';
import { configureLogging } from '../../../waypoint/resources/logging-configuration.ts';
import { configureMetrics } from '../../../waypoint/resources/metrics-configuration.ts';
import { readWaypointResources, type WaypointResources } from '../../../waypoint/resources/waypoint-resources.ts';
import { connectionLogFacts, requestLogFacts } from '../../support/waypoint-facts.ts';

const traffic = {
  gateway: 'gate',
  namespace: 'mesh',
  rootNamespace: 'istio-system',
  service: { name: 'web', namespace: 'mesh' },
};

const telemetry = (name: string, namespace: string, spec: string): string => `
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`;
const meshConfig = (mesh: string): string => `
---
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
${mesh.replace(/^/gm, '    ')}
`;

function read(...texts: string[]): WaypointResources {
  return readWaypointResources(parseManifest(texts.join(''), 'm.yaml').objects, undefined, 'istio-system');
}

/** Path and filter of each log. */
function logs(...texts: string[]): unknown {
  const { telemetries, mesh } = read(...texts);
  return configureLogging(telemetries, traffic, mesh).map((log) => [
    log.kind === 'file' ? log.path : log.collector,
    log.filter?.text,
  ]);
}

const toEnvoy = (name: string, namespace: string, more = ''): string =>
  telemetry(name, namespace, `{ accessLogging: [{ providers: [{ name: envoy }]${more} }] }`);

t.test('without Telemetry and MeshConfig there is no access log', async (t) => t.same(logs(), []));

t.test('the provider envoy turns it on, for a namespace or the whole mesh', async (t) => {
  t.same(logs(toEnvoy('a', 'mesh')), [['/dev/stdout', undefined]]);
  t.same(logs(toEnvoy('a', 'istio-system')), [['/dev/stdout', undefined]]);
  t.same(logs(toEnvoy('a', 'other')), []);
});

t.test('accessLogFile is used only where nothing else says anything of logs', async (t) => {
  const mesh = meshConfig('accessLogFile: /dev/stderr');
  t.same(logs(mesh), [['/dev/stderr', undefined]]);
  t.same(logs(mesh, toEnvoy('a', 'mesh')), [['/dev/stdout', undefined]]);
});

t.test('a level that names providers replaces those above; one that names none inherits', async (t) => {
  const mesh = meshConfig(`
extensionProviders:
- { name: Other, envoyFileAccessLog: { path: /var/log/other } }
defaultProviders: { accessLogging: [envoy] }`);
  t.same(logs(mesh), [['/dev/stdout', undefined]]);
  const other = telemetry('b', 'mesh', '{ accessLogging: [{ providers: [{ name: other }] }] }');
  t.same(logs(mesh, toEnvoy('a', 'istio-system'), other), [['/var/log/other', undefined]]);
  const filtered = telemetry('b', 'mesh', '{ accessLogging: [{ filter: { expression: "response.code >= 400" } }] }');
  t.same(logs(mesh, filtered), [['/dev/stdout', 'response.code >= 400']]);
});

t.test('disabled turns a provider off, and a later level turns it on again; the last filter counts', async (t) => {
  const off = ', disabled: true';
  t.same(logs(toEnvoy('a', 'istio-system'), toEnvoy('b', 'mesh', off)), []);
  t.same(logs(toEnvoy('a', 'istio-system', off), toEnvoy('b', 'mesh')), [['/dev/stdout', undefined]]);
  const only = ', filter: { expression: "true" }';
  t.same(logs(toEnvoy('a', 'istio-system', only), toEnvoy('b', 'mesh')), [['/dev/stdout', undefined]]);
  t.same(logs(toEnvoy('a', 'istio-system'), toEnvoy('b', 'mesh', only)), [['/dev/stdout', 'true']]);
});

t.test('entries for the client side do not concern a waypoint, targets do', async (t) => {
  t.same(logs(toEnvoy('a', 'mesh', ', match: { mode: CLIENT }')), []);
  t.same(logs(toEnvoy('a', 'mesh', ', match: { mode: SERVER }')), [['/dev/stdout', undefined]]);
  const entry = 'accessLogging: [{ providers: [{ name: envoy }] }]';
  const target = (kind: string, name: string): string => `targetRefs: [{ group: g, kind: ${kind}, name: ${name} }]`;
  t.same(logs(telemetry('a', 'mesh', `{ ${target('Gateway', 'gate')}, ${entry} }`)), [['/dev/stdout', undefined]]);
  t.same(logs(telemetry('a', 'mesh', `{ ${target('Service', 'web')}, ${entry} }`)), [['/dev/stdout', undefined]]);
  t.same(logs(telemetry('a', 'mesh', `{ ${target('Service', 'db')}, ${entry} }`)), []);
});

t.test('unknown providers, and those of other kinds, are skipped', async (t) => {
  const mesh = meshConfig('extensionProviders: [{ name: spans, zipkin: { service: z, port: 1 } }]');
  const both = '{ accessLogging: [{ providers: [{ name: spans }, { name: nobody }, { name: envoy }] }] }';
  t.same(logs(mesh, telemetry('a', 'mesh', both)), [['/dev/stdout', undefined]]);
});

t.test('a format is the provider’s own, or MeshConfig’s for envoy, or Istio’s', async (t) => {
  const line = (name: string, ...texts: string[]): string => {
    const log = telemetry('a', 'mesh', `{ accessLogging: [{ providers: [{ name: ${name} }] }] }`);
    const { telemetries, mesh } = read(...texts, log);
    const [first] = configureLogging(telemetries, traffic, mesh);
    return first?.kind === 'file' ? first.write(requestLogFacts()) : 'none';
  };
  const json = 'accessLogEncoding: JSON';
  t.match(line('envoy'), /^\[2025-06-03T10:15:42.318Z\] "POST /);
  t.match(JSON.parse(line('envoy', meshConfig(json))), { method: 'POST', response_code: 202 });
  t.equal(line('envoy', meshConfig(`accessLogFormat: "%RESPONSE_CODE%!"`)), '202!');
  t.equal(line('envoy', meshConfig(`${json}\naccessLogFormat: '{"code": "%RESPONSE_CODE%"}'`)), '{"code":202}');
  const own = (format: string): string =>
    meshConfig(`extensionProviders: [{ name: mine, envoyFileAccessLog: { path: /dev/stdout, ${format} } }]`);
  t.equal(line('mine', own('logFormat: { text: "%PROTOCOL%" }')), 'HTTP/1.1');
  t.equal(line('mine', own('logFormat: { labels: { m: "%REQ(:METHOD)%", n: "%REQ(n)%" } }')), '{"m":"POST","n":null}');
  t.equal(
    line('mine', own('omitEmptyValues: true, logFormat: { labels: { m: "%REQ(:METHOD)%", n: "%REQ(n)%" } }')),
    '{"m":"POST"}',
  );
  t.match(line('mine', own('x: 1')), /^\[2025-06-03T10:15:42.318Z\] "POST /);
});

t.test('a format with a mistake is told by field, and the default is written', async (t) => {
  const { problems, mesh, telemetries } = read(meshConfig('accessLogFile: /dev/stdout\naccessLogFormat: "%NOTHING%"'));
  t.match(problems.map(formatResourceProblem).join('\n'), /istio.*accessLogFormat.*%NOTHING% is no operator/);
  const [first] = configureLogging(telemetries, traffic, mesh);
  t.match(first?.kind === 'file' && first.write(connectionLogFacts()), /^\[2025/);
});

t.test('envoyOtelAls goes to a collector, with the text as body and the labels as attributes', async (t) => {
  const otel = (settings: string): string =>
    meshConfig(`extensionProviders: [{ name: Otel, envoyOtelAls: { ${settings} } }]`);
  const log = telemetry(
    'a',
    'mesh',
    '{ accessLogging: [{ providers: [{ name: otel }], filter: { expression: "true" } }] }',
  );
  const configured = (settings: string) => {
    const { telemetries, mesh, problems } = read(otel(settings), log);
    t.same(problems, []);
    const [first] = configureLogging(telemetries, traffic, mesh);
    if (first?.kind !== 'otlp') throw new Error('no such log');
    return first;
  };
  const plain = configured('service: o11y/otel.o11y.svc.cluster.local, port: 4317');
  t.same(plain.collector, {
    name: 'Otel',
    namespace: 'o11y',
    hostname: 'otel.o11y.svc.cluster.local',
    port: 4317,
    logName: 'otel_envoy_accesslog',
  });
  t.equal(plain.filter?.text, 'true');
  t.match(plain.body(requestLogFacts()), /^\[2025-06-03T10:15:42.318Z\] "POST /);
  const labels = 'labels: { z: "%PROTOCOL%", a: "%RESPONSE_CODE%", n: "%REQ(n)%" }';
  const own = configured(`service: otel, port: 1, logName: mine, logFormat: { text: "%REQ(:METHOD)%!", ${labels} }`);
  t.match(own.collector, { namespace: undefined, hostname: 'otel', logName: 'mine' });
  t.equal(own.body(requestLogFacts()), 'POST!');
  t.same(
    own.attributes.map(([name, write]) => [name, write(requestLogFacts())]),
    [
      ['a', '202'],
      ['n', '-'],
      ['z', 'HTTP/1.1'],
    ],
  );
});

t.test('an envoyOtelAls without service or port is told by field, and left out', async (t) => {
  for (const [settings, field] of [
    ['port: 4317', /envoyOtelAls\.service/],
    ['service: otel', /envoyOtelAls\.port/],
    ['service: otel, port: 70000', /envoyOtelAls\.port/],
  ] as const) {
    const mesh = meshConfig(`extensionProviders: [{ name: otel, envoyOtelAls: { ${settings} } }]`);
    t.match(read(mesh).problems.map(formatResourceProblem).join('\n'), field);
    t.same(logs(mesh, telemetry('a', 'mesh', '{ accessLogging: [{ providers: [{ name: otel }] }] }')), []);
  }
});

t.test('a filter that does not compile is told by field', async (t) => {
  const { problems } = read(toEnvoy('a', 'mesh', ', filter: { expression: "response.code >" }'));
  t.match(problems.map(formatResourceProblem).join('\n'), /accessLogging\[0\].filter.expression/);
});

t.test('metrics have the providers of MeshConfig, by any name', async (t) => {
  const kindOf = (...texts: string[]): string => {
    const { telemetries, mesh } = read(...texts);
    return configureMetrics(telemetries, traffic, mesh).kind;
  };
  const metrics = (provider: string): string =>
    telemetry('m', 'mesh', `{ metrics: [{ providers: [{ name: ${provider} }] }] }`);
  const mine = meshConfig('extensionProviders: [{ name: Mine, prometheus: {} }]');
  t.equal(kindOf(), 'on');
  t.equal(kindOf(metrics('mine')), 'off');
  t.equal(kindOf(mine, metrics('MINE')), 'on');
  t.equal(kindOf(meshConfig('defaultProviders: { metrics: [] }')), 'off');
  t.equal(kindOf(meshConfig('defaultProviders: { metrics: [] }'), metrics('prometheus')), 'on');
});
