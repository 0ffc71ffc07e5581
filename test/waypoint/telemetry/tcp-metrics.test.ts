// What Telemetry does to the metrics of connections that pass a waypoint unread.
import t, { type Test } from 'tap';
import { parseManifest } from '../../../common/sources/manifests/manifest-parser.ts';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { readWaypointResources } from '../../../waypoint/resources/waypoint-resources.ts';
import { type ChainTelemetry, planChain } from '../../../waypoint/telemetry/chain-telemetry.ts';
import { createTcpMetrics } from '../../../waypoint/telemetry/tcp-metrics.ts';
import { tcpLabelNames } from '../../../waypoint/telemetry/waypoint-labels.ts';
import { someConnection } from '../../support/waypoint-facts.ts';

const connection = { ...someConnection, flags: [] };
const traffic = {
  gateway: 'gate',
  namespace: 'podinfo',
  rootNamespace: 'istio-system',
  service: { name: 'podinfo-svc', namespace: 'podinfo' },
};

function chainOf(...metrics: string[]): ChainTelemetry {
  const namespaces = ['istio-system', 'podinfo'];
  const text = metrics.map(
    (spec, index) => `
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: level-${index}, namespace: ${namespaces[index]} }
spec: { metrics: ${spec} }
`,
  );
  const resources = readWaypointResources(parseManifest(text.join(''), 't.yaml').objects);
  t.same(resources.problems, []);
  return planChain(resources, traffic, 80);
}

function setUp(t: Test) {
  const { recorder, exposition } = createMetricsRegistry();
  const metrics = createTcpMetrics(recorder, 0);
  t.teardown(() => metrics.close());
  /** Names of the labels, or what they hold. */
  const seriesOf = async (name: string): Promise<{ names: string; text: string } | undefined> => {
    const { body } = await exposition(undefined);
    const line = body.split('\n').find((candidate) => candidate.startsWith(`istio_tcp_${name}{`));
    if (line === undefined) return undefined;
    return { names: [...line.matchAll(/(\w+)="/g)].map((match) => match[1]).join(), text: line };
  };
  return { metrics, seriesOf };
}

t.test('without Telemetry all four have the standard labels', async (t) => {
  const { metrics, seriesOf } = setUp(t);
  metrics.open(connection, chainOf()).close('-');
  for (const name of [
    'connections_opened_total',
    'connections_closed_total',
    'received_bytes_total',
    'sent_bytes_total',
  ]) {
    t.equal((await seriesOf(name))?.names, tcpLabelNames.join(), name);
  }
  t.equal(await seriesOf('connections_failed_total'), undefined, 'that one is ztunnel’s');
});

t.test('tags are added, changed and removed for the metric that is named, by expressions', async (t) => {
  const { metrics, seriesOf } = setUp(t);
  const overrides = `[{ overrides: [
    { match: { metric: TCP_OPENED_CONNECTIONS, mode: SERVER }, tagOverrides: {
      port: { value: "string(destination.port)" },
      peer: { value: "filter_state.downstream_peer.workload" },
      path: { value: "request.path" },
      source_app: { value: "'somebody'" },
      source_cluster: { operation: REMOVE } } },
    { match: { metric: TCP_CLOSED_CONNECTIONS, mode: CLIENT }, tagOverrides: { no: { value: "'x'" } } }] }]`;
  metrics.open(connection, chainOf(overrides)).close('-');
  const opened = await seriesOf('connections_opened_total');
  t.match(opened?.text, 'source_app="somebody"');
  t.match(opened?.text, 'path="unknown",peer="curl",port="80"');
  t.notMatch(opened?.names, 'source_cluster');
  t.equal((await seriesOf('connections_closed_total'))?.names, tcpLabelNames.join(), 'CLIENT is not a waypoint’s mode');
});

t.test('a metric is dropped, and a lower level brings it back', async (t) => {
  const drop = '[{ overrides: [{ match: { metric: TCP_SENT_BYTES }, disabled: true }] }]';
  const back = '[{ overrides: [{ match: { metric: TCP_SENT_BYTES }, disabled: false }] }]';
  for (const [chain, there] of [
    [chainOf(drop), false],
    [chainOf(drop, back), true],
    [chainOf('[{ overrides: [{ disabled: true }] }]'), false],
  ] as const) {
    const { metrics, seriesOf } = setUp(t);
    metrics.open(connection, chain).close('-');
    t.equal((await seriesOf('sent_bytes_total')) !== undefined, there);
  }
});

t.test(
  'reportingInterval says how often, the lower level wins, and a change of it leaves no old report behind',
  async (t) => {
    t.equal(chainOf().reportingIntervalMs, undefined);
    t.equal(chainOf('[{ reportingInterval: 5s }]').reportingIntervalMs, 5_000);
    const fast = chainOf('[{ reportingInterval: 5s }]', '[{ reportingInterval: 0.02s }]');
    t.equal(fast.reportingIntervalMs, 20);
    const { metrics, seriesOf } = setUp(t);
    const atTheEnd = metrics.open(connection, chainOf());
    const often = metrics.open(connection, fast);
    atTheEnd.sent(1);
    often.sent(10);
    const sent = async (): Promise<number> => Number((await seriesOf('sent_bytes_total'))?.text.split(' ').at(-1));
    while ((await sent()) < 10) await new Promise((resolve) => setTimeout(resolve, 5));
    t.equal(await sent(), 10);
    atTheEnd.close('-');
    often.close('-');
    t.equal(await sent(), 11);
  },
);
