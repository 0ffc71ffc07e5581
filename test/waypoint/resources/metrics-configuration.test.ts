import t from 'tap';
import { parseManifest } from '../../../common/sources/manifests/manifest-parser.ts';
import { formatResourceProblem } from '../../../common/sources/resource-problem.ts';
import { applicableTelemetries, configureMetrics } from '../../../waypoint/resources/metrics-configuration.ts';
import { parseTelemetry, type TelemetryResource } from '../../../waypoint/resources/telemetry.ts';

const traffic = {
  gateway: 'gate',
  namespace: 'mesh',
  rootNamespace: 'istio-system',
  service: { name: 'web', namespace: 'shop' },
};

function parse(spec: string, namespace = 'mesh', name = 'one', created = '2026-01-01T00:00:00Z') {
  const text = `
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: ${name}, namespace: ${namespace}, creationTimestamp: "${created}" }
spec:
${spec.replace(/^/gm, '  ')}`;
  const [object] = parseManifest(text, 't.yaml').objects;
  if (object === undefined) throw new Error('no object');
  const { telemetry, problems } = parseTelemetry(object);
  return { telemetry, problems: problems.map(formatResourceProblem) };
}

function telemetry(...given: Parameters<typeof parse>): TelemetryResource {
  const parsed = parse(...given);
  if (parsed.telemetry === undefined) throw new Error(parsed.problems.join());
  return parsed.telemetry;
}

/** `metric: tag=expression …`, `-tag` for a removed one, `dropped`; `off` for everything. */
function summary(...telemetries: TelemetryResource[]): unknown {
  const configuration = configureMetrics(telemetries, traffic);
  if (configuration.kind === 'off') return 'off';
  const metrics = [...configuration.changes].map(([name, { emission, tags }]) => {
    const words = [...tags].map(([tag, change]) =>
      change.kind === 'remove' ? `-${tag}` : `${tag}=${change.expression.text}`,
    );
    return [name, [...(emission === 'dropped' ? ['dropped'] : []), ...words].join(' ')];
  });
  return Object.fromEntries(metrics);
}

const override = (text: string): string => `metrics: [{ overrides: [${text}] }]`;
const count = 'match: { metric: REQUEST_COUNT }';

t.test('without Telemetry all metrics are as they are', async (t) => t.strictSame(summary(), {}));

t.test('an override changes what it matches', async (t) => {
  t.strictSame(
    summary(telemetry(override(`{ ${count}, tagOverrides: { b: { value: "'x'" }, a: { operation: REMOVE } } }`))),
    {
      requests_total: "-a b='x'",
    },
  );
  t.equal(
    Object.keys(Object(summary(telemetry(override('{ tagOverrides: { a: { value: x } } }'))))).length,
    10,
    'without a match: all',
  );
  t.strictSame(summary(telemetry(override('{ match: { customMetric: requests_total }, disabled: true }'))), {
    requests_total: 'dropped',
  });
});

t.test('only what is meant for a server reaches a waypoint', async (t) => {
  const changing = (mode: string): string =>
    override(`{ match: { metric: REQUEST_COUNT, mode: ${mode} }, tagOverrides: { a: { value: x } } }`);
  t.strictSame(summary(telemetry(changing('CLIENT'))), {});
  t.strictSame(summary(telemetry(changing('SERVER'))), { requests_total: 'a=x' });
  t.strictSame(summary(telemetry(changing('CLIENT_AND_SERVER'))), { requests_total: 'a=x' });
});

t.test('later levels override earlier ones tag by tag', async (t) => {
  const root = telemetry(
    override(`{ ${count}, tagOverrides: { a: { value: root }, b: { value: root } } }`),
    'istio-system',
  );
  const own = telemetry(override(`{ ${count}, tagOverrides: { a: { value: own } } }`));
  const attached = telemetry(
    `targetRefs: [{ group: "", kind: Service, name: web }]\n${override(`{ ${count}, tagOverrides: { b: { operation: REMOVE } } }`)}`,
    'shop',
  );
  t.strictSame(summary(attached, own, root), { requests_total: 'a=own -b' });
});

t.test('metrics can be turned off and on again', async (t) => {
  const off = telemetry(override('{ disabled: true }'), 'istio-system');
  t.equal(summary(off), 'off');
  t.strictSame(summary(off, telemetry(override(`{ ${count}, disabled: false }`))), { requests_total: '' });
  t.strictSame(
    summary(
      telemetry(override(`{ ${count}, disabled: true }`), 'istio-system'),
      telemetry(override(`{ ${count}, disabled: false }`)),
    ),
    { requests_total: '' },
  );
});

t.test('providers decide whether there are metrics', async (t) => {
  t.equal(summary(telemetry('metrics: [{ providers: [{ name: other }] }]')), 'off');
  t.strictSame(summary(telemetry('metrics: [{ providers: [{ name: Prometheus }] }]')), {});
  const elsewhere = telemetry(
    `metrics: [{ providers: [{ name: prometheus }] }, { providers: [{ name: other }], overrides: [{ disabled: true }] }]`,
  );
  t.equal(summary(elsewhere), 'off', 'the last list of providers is the scope');
});

t.test('the last reporting interval counts', async (t) => {
  const both = telemetry('metrics: [{ reportingInterval: 5s }, { reportingInterval: 1m }]');
  t.match(configureMetrics([both], traffic), { reportingIntervalMs: 60_000 });
});

t.test('which resources apply, and in which order', async (t) => {
  const at = (namespace: string, name: string, spec = 'metrics: []', created?: string): TelemetryResource =>
    telemetry(spec, namespace, name, created);
  const gate = 'targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: gate }]';
  const all = [
    at('shop', 'service', 'targetRefs: [{ group: "", kind: Service, name: web }]'),
    at('shop', 'other-service', 'targetRefs: [{ group: "", kind: Service, name: db }]'),
    at('mesh', 'gateway', gate),
    at('shop', 'not-its-gateway', gate),
    at(
      'istio-system',
      'class',
      'targetRefs: [{ group: gateway.networking.k8s.io, kind: GatewayClass, name: istio-waypoint }]',
    ),
    at(
      'mesh',
      'class-from-elsewhere',
      'targetRefs: [{ group: gateway.networking.k8s.io, kind: GatewayClass, name: istio-waypoint }]',
    ),
    at('mesh', 'pods', 'selector: { matchLabels: { app: web } }'),
    at('mesh', 'younger', undefined, '2026-02-01T00:00:00Z'),
    at('mesh', 'older'),
    at('shop', 'wide'),
    at('istio-system', 'root'),
    at('else', 'foreign'),
  ];
  t.strictSame(
    applicableTelemetries(all, traffic).map(({ name }) => name),
    ['root', 'older', 'wide', 'class', 'gateway', 'service'],
  );
});

t.test('what is malformed is named, and the rest is used', async (t) => {
  const cases: [string, RegExp][] = [
    [
      override(`{ ${count}, tagOverrides: { a: { value: "x ==" } } }`),
      /tagOverrides.a.value does not compile: x ==: .*; mend the CEL expression/,
    ],
    [override(`{ ${count}, tagOverrides: { a: {} } }`), /tagOverrides.a.value is missing; give the tag a value/],
    [
      override(`{ ${count}, tagOverrides: { a: { operation: REMOVE, value: x } } }`),
      /value is "x", not absent beside REMOVE/,
    ],
    [override('{ match: { metric: REQUESTS } }'), /match.metric is "REQUESTS", not one of/],
    ['metrics: [{ reportingInterval: soon }]', /reportingInterval is "soon", not a duration/],
    [
      'selector: { matchLabels: { a: b } }\ntargetRefs: [{ kind: Gateway, name: gate }]',
      /targetRefs is .* beside a selector/,
    ],
    ['targetRefs: [{ kind: Gateway, name: gate, namespace: other }]', /namespace is "other", not mesh/],
  ];
  for (const [spec, expected] of cases) {
    const [problem, ...more] = parse(spec).problems;
    t.match(problem, expected);
    t.match(problem, /^t.yaml:2: Telemetry mesh\/one: /);
    t.equal(more.length, 0);
  }
});
