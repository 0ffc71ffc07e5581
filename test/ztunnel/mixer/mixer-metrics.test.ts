// The manifest of Istio's old guide to TCP metrics, unchanged, and what it makes of connections.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseManifest } from '../../../common/sources/manifests/manifest-parser.ts';
import { formatResourceProblem } from '../../../common/sources/resource-problem.ts';
import { createFailureJournal } from '../../../common/telemetry/failure-journal.ts';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { createTcpReporter } from '../../../common/telemetry/tcp-reporter.ts';
import type { ConnectionFacts } from '../../../ztunnel/connections/connection-facts.ts';
import { createConnectionJournal } from '../../../ztunnel/connections/connection-journal.ts';
import { createMixerMetrics } from '../../../ztunnel/mixer/mixer-metrics.ts';
import { readMixerRules } from '../../../ztunnel/mixer/mixer-resources.ts';
import { collectLines } from '../../support/collected-lines.ts';
import { aService, aWorkload, endAt } from '../../support/mesh-objects.ts';

const shared = process.env['AMBIENTD_SHARED'] ?? join(import.meta.dirname, '..', '..', '..', '..', 'shared');
const manifest = join(shared, 'manifests', 'mixer-tcp-metrics.yaml');
const skip = !existsSync(manifest) && `the manifest ${manifest} is not there`;
const mongo = (): string => readFileSync(manifest, 'utf8');

const end = (name: string, version: string, address: string) => ({
  address: endAt(address),
  workload: aWorkload({ name: `${name}-1`, workloadName: name, canonicalName: name, canonicalRevision: version }),
  claimed: undefined,
  identity: undefined,
});
const toMongo: ConnectionFacts = {
  direction: 'inbound',
  source: end('ratings-v2', 'v2', '10.1.0.1:4000'),
  destination: end('mongodb-v1', 'v1', '10.1.0.2:27017'),
  hboneAuthority: '10.1.0.2:27017',
  service: aService({ name: 'mongodb', namespace: 'default', addresses: [] }),
};
const toOther: ConnectionFacts = {
  ...toMongo,
  service: aService({ name: 'mysql', namespace: 'default', addresses: [] }),
};

function setUp(...manifests: string[]) {
  const read = readMixerRules(parseManifest(manifests.join('\n---\n'), 'm.yaml').objects);
  const metrics = createMetricsRegistry();
  const { recorder } = metrics;
  const mixer = createMixerMetrics({ recorder, rootNamespace: 'istio-system', intervalMs: 1_000, now: () => 0 });
  mixer.useRules(read.rules);
  const reporter = createTcpReporter({ recorder, intervalMs: 0, countsFailures: true });
  const { log } = collectLines();
  const failures = createFailureJournal({ recorder, lines: log, linesPerSecond: 0, now: () => 0 });
  const journal = createConnectionJournal({ reporter, further: mixer, failures, lines: log, now: () => 0 });
  const lines = async (accept?: string): Promise<readonly string[]> =>
    (await metrics.exposition(accept)).body.split('\n').filter((line) => line.startsWith('istio_mongo'));
  t.teardown(() => mixer.close());
  return { journal, lines, problems: read.problems.map(formatResourceProblem), exposition: metrics.exposition };
}

t.test(
  'the manifest gives its two metrics with its labels, exact at close, for what its rule matches',
  { skip },
  async (t) => {
    const { journal, lines, problems, exposition } = setUp(mongo());
    t.same(problems, []);
    for (const facts of [toMongo, toMongo, toOther, { ...toMongo, direction: 'outbound' } as const]) {
      const entry = journal.open(facts);
      entry.count.received(100);
      entry.count.sent(2_000);
      entry.close(undefined);
      entry.close(undefined);
    }
    const labels = 'source_service="ratings-v2",source_version="v2",destination_version="v1"';
    const expected = [`istio_mongo_received_bytes{${labels}} 200`, `istio_mongo_sent_bytes{${labels}} 4000`];
    t.same((await lines()).toSorted(), expected);
    t.same((await lines('application/openmetrics-text')).toSorted(), expected, 'under its own name in OpenMetrics too');
    t.match((await exposition(undefined)).body, '# TYPE istio_mongo_sent_bytes counter\n');
  },
);

t.test('a living connection reports its bytes every interval', { skip }, async (t) => {
  const { journal, lines } = setUp(mongo());
  const entry = journal.open(toMongo);
  t.match((await lines())[0], / 0$/, 'opened: nothing yet');
  entry.count.received(5);
  while (!(await lines()).some((line) => line.endsWith(' 5'))) await new Promise((resolve) => setTimeout(resolve, 20));
  entry.count.received(1);
  entry.close(undefined);
  t.ok((await lines()).some((line) => line.startsWith('istio_mongo_received') && line.endsWith(' 6')));
});

t.test('rules hold for their own namespace, those of the root namespace for all', { skip }, async (t) => {
  const elsewhere = {
    ...toMongo,
    destination: { ...toMongo.destination, workload: aWorkload({ name: 'm', namespace: 'x' }) },
  };
  const inDefault = setUp(mongo());
  inDefault.journal.open(elsewhere).close(undefined);
  t.same(await inDefault.lines(), []);
  const inRoot = setUp(
    mongo()
      .replaceAll('namespace: default', 'namespace: istio-system')
      .replaceAll('.metric.default', '.metric.istio-system'),
  );
  t.same(inRoot.problems, []);
  inRoot.journal.open(elsewhere).close(undefined);
  t.equal((await inRoot.lines()).length, 2);
});

t.test('a rule that asks which side reports is asked on both', { skip }, async (t) => {
  const { journal, lines, problems } = setUp(
    mongo().replace('context.protocol == "tcp"', 'context.reporter.kind == "outbound"'),
  );
  t.same(problems, []);
  for (const direction of ['inbound', 'outbound'] as const) {
    const entry = journal.open({ ...toMongo, direction });
    entry.count.sent(10);
    entry.close(undefined);
  }
  t.ok((await lines()).some((line) => line.startsWith('istio_mongo_sent') && line.endsWith(' 10')));
});

t.test('instances and handlers in their generic form, and distributions, are understood', async (t) => {
  const object = (kind: string, name: string, spec: string): string =>
    `apiVersion: config.istio.io/v1alpha2\nkind: ${kind}\nmetadata: { name: ${name}, namespace: default }\nspec: ${spec}`;
  const { journal, exposition, problems } = setUp(
    object(
      'instance',
      'took',
      '{ compiledTemplate: metric, params: { value: connection.duration | "0s", dimensions: {} } }',
    ).replace('connection.duration | "0s"', 'connection.received.bytes_total'),
    object(
      'handler',
      'prom',
      '{ compiledAdapter: prometheus, params: { metrics: [{ name: sizes, instance_name: took.instance.default, kind: DISTRIBUTION, label_names: [], buckets: { explicit_buckets: { bounds: [10, 100] } } }] } }',
    ),
    object(
      'rule',
      'r',
      `{ match: '(connection.event | "na") == "close"', actions: [{ handler: prom, instances: [took] }] }`,
    ),
  );
  t.same(problems, []);
  const entry = journal.open(toMongo);
  entry.count.received(50);
  entry.close(undefined);
  const { body } = await exposition(undefined);
  t.match(body, 'istio_sizes_bucket{le="10"} 0\nistio_sizes_bucket{le="100"} 1\n');
  t.match(body, 'istio_sizes_sum 50\nistio_sizes_count 1\n');
});

t.test('what is wrong is told by object and field, and what does not depend on it holds', { skip }, async (t) => {
  const broken = (from: string, to: string): string => setUp(mongo().replace(from, to)).problems.join('\n');
  t.match(
    broken('source.workload.name | "unknown"', 'source.workload.nam'),
    /metric default\/mongosentbytes.*spec.dimensions.source_service.*unknown attribute/,
  );
  t.match(broken('kind: COUNTER', 'kind: GAUGE'), /prometheus default\/mongohandler.*kind/);
  t.match(broken('    - destination_version\n', ''), /prometheus default\/mongohandler.*label_names.*all of them/);
  t.match(broken('handler: mongohandler.prometheus', 'handler: other.stackdriver'), /rule default\/mongoprom.*handler/);
  t.match(broken('context.protocol == "tcp"', 'context.protocol'), /rule default\/mongoprom.*spec.match/);
});
