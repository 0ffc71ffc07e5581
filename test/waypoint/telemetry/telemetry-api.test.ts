// Each clause of the Telemetry API for metrics, from manifest to exposition: which labels istio_requests_total and its kin come out with
// (waypoint-telemetry.md §2.1–2.5, §1.15).
import t from 'tap';
import { parseManifest } from '../../../common/sources/manifests/manifest-parser.ts';
import { createFailureJournal } from '../../../common/telemetry/failure-journal.ts';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { readWaypointResources } from '../../../waypoint/resources/waypoint-resources.ts';
import { httpLabelNames, tcpLabelNames } from '../../../waypoint/telemetry/waypoint-labels.ts';
import { createWaypointTelemetry } from '../../../waypoint/telemetry/waypoint-telemetry.ts';
import { collectLines } from '../../support/collected-lines.ts';
import { someConnection, someRequest } from '../../support/waypoint-facts.ts';

/** Namespace, what is beside `metrics`, the metrics; younger than those before it. */
type Level = readonly [namespace: string, attachment: string, metrics: string];

/** The labels of one metric: those that are more, those that are fewer, and the values that are asked for; `absent`. */
type Expected =
  | 'absent'
  | { readonly more?: string; readonly fewer?: string; readonly values?: Record<string, string> };

interface Clause {
  readonly says: string;
  readonly levels: readonly Level[];
  readonly mesh?: string;
  readonly expected: Readonly<Record<string, Expected>>;
}

const root = 'istio-system';
const own = 'podinfo';
const wide = '';
const selector = 'selector: { matchLabels: { app: x } }';
const target = (kind: string, name: string): string => `targetRefs: [{ kind: ${kind}, name: ${name} }]`;
const tags = (list: string, match = ''): string => `[{ overrides: [{ ${match}tagOverrides: { ${list} } }] }]`;
const one = (metric: string, mode = 'CLIENT_AND_SERVER'): string => `match: { metric: ${metric}, mode: ${mode} }, `;
const value = (text: string): string => `{ value: "${text}" }`;
const unchanged = {};

const clauses: readonly Clause[] = [
  {
    says: 'no match is every metric',
    levels: [[own, wide, tags(`zone: ${value("'a'")}`)]],
    expected: {
      requests_total: { more: 'zone' },
      request_bytes: { more: 'zone' },
      tcp_sent_bytes_total: { more: 'zone' },
    },
  },
  {
    says: 'ALL_METRICS is every metric',
    levels: [[own, wide, tags(`zone: ${value("'a'")}`, one('ALL_METRICS'))]],
    expected: { response_bytes: { more: 'zone' }, tcp_connections_opened_total: { more: 'zone' } },
  },
  {
    says: 'a metric by its enum is that one',
    levels: [[own, wide, tags(`zone: ${value("'a'")}`, one('REQUEST_COUNT'))]],
    expected: { requests_total: { more: 'zone' }, request_bytes: unchanged },
  },
  {
    says: 'customMetric may name a standard metric as it is called in the filter',
    levels: [[own, wide, tags(`zone: ${value("'a'")}`, 'match: { customMetric: requests_total }, ')]],
    expected: { requests_total: { more: 'zone' }, request_bytes: unchanged },
  },
  {
    says: 'a metric that there is not changes nothing',
    levels: [[own, wide, tags(`zone: ${value("'a'")}`, 'match: { customMetric: nothing }, ')]],
    expected: { requests_total: unchanged },
  },
  {
    says: 'SERVER is the mode of a waypoint, CLIENT is not',
    levels: [
      [
        own,
        wide,
        `[{ overrides: [
          { ${one('REQUEST_COUNT', 'SERVER')}tagOverrides: { a: ${value("'s'")} } },
          { ${one('REQUEST_COUNT', 'CLIENT')}tagOverrides: { a: ${value("'c'")}, b: ${value("'c'")} }, disabled: true }] }]`,
      ],
    ],
    expected: { requests_total: { more: 'a', values: { a: 's' } } },
  },
  {
    says: 'a standard tag keeps its place and takes the value; a removed one is not there',
    levels: [[own, wide, tags(`source_app: ${value('request.method')}, destination_app: { operation: REMOVE }`)]],
    expected: { requests_total: { fewer: 'destination_app', values: { source_app: 'POST' } } },
  },
  {
    says: 'new tags come last, by name; what Prometheus does not allow becomes an underscore',
    levels: [[own, wide, tags(`z: ${value("'1'")}, a-b: ${value("'2'")}, 9x: ${value("'3'")}`)]],
    expected: { requests_total: { more: '_9x,a_b,z', values: { a_b: '2', _9x: '3' } } },
  },
  {
    says: 'what cannot be evaluated is unknown',
    levels: [[own, wide, tags(`a: ${value("request.headers['none']")}, source_app: ${value('nobody')}`)]],
    expected: { requests_total: { more: 'a', values: { a: 'unknown', source_app: 'unknown' } } },
  },
  {
    says: 'a tag of requests is none of connections',
    levels: [[own, wide, tags(`response_code: ${value("'x'")}`)]],
    expected: { requests_total: { values: { response_code: 'x' } }, tcp_sent_bytes_total: unchanged },
  },
  {
    says: 'a metric can be disabled alone',
    levels: [[own, wide, `[{ overrides: [{ ${one('REQUEST_DURATION')}disabled: true }] }]`]],
    expected: { request_duration_milliseconds: 'absent', requests_total: unchanged },
  },
  {
    says: 'a lower level brings back what a higher one disabled',
    levels: [
      [root, wide, `[{ overrides: [{ ${one('REQUEST_SIZE')}disabled: true }] }]`],
      [own, wide, `[{ overrides: [{ ${one('REQUEST_SIZE')}disabled: false }] }]`],
    ],
    expected: { request_bytes: unchanged },
  },
  {
    says: 'all can be disabled, and its tags are ignored',
    levels: [[own, wide, `[{ overrides: [{ disabled: true, tagOverrides: { a: ${value("'x'")} } }] }]`]],
    expected: { requests_total: 'absent', tcp_sent_bytes_total: 'absent' },
  },
  {
    says: 'a later override of any other kind turns all of them on again',
    levels: [
      [root, wide, '[{ overrides: [{ disabled: true }] }]'],
      [own, wide, tags(`a: ${value("'x'")}`, one('REQUEST_COUNT'))],
    ],
    expected: { requests_total: { more: 'a' }, request_bytes: unchanged },
  },
  {
    says: 'levels merge tag by tag, the lower one wins',
    levels: [
      [root, wide, tags(`a: ${value("'root'")}, b: ${value("'root'")}, source_app: { operation: REMOVE }`)],
      [own, wide, tags(`b: ${value("'own'")}, source_app: ${value("'back'")}`)],
      [own, target('Service', 'podinfo-svc'), tags(`c: ${value("'service'")}`)],
    ],
    expected: { requests_total: { more: 'a,b,c', values: { a: 'root', b: 'own', c: 'service', source_app: 'back' } } },
  },
  {
    says: 'of several for one namespace the oldest counts',
    levels: [
      [own, wide, tags(`a: ${value("'old'")}`)],
      [own, wide, tags(`a: ${value("'new'")}, b: ${value("'new'")}`)],
    ],
    expected: { requests_total: { more: 'a', values: { a: 'old' } } },
  },
  {
    says: 'a selector never means a waypoint',
    levels: [[own, selector, tags(`a: ${value("'x'")}`)]],
    expected: { requests_total: unchanged },
  },
  {
    says: 'targets are the Gateway, its class in the root namespace, and the Service; no others',
    levels: [
      [own, target('Gateway', 'gate'), tags(`a: ${value("'x'")}`)],
      [own, target('Gateway', 'other'), tags(`b: ${value("'x'")}`)],
      [root, target('GatewayClass', 'istio-waypoint'), tags(`c: ${value("'x'")}`)],
      [own, target('GatewayClass', 'istio-waypoint'), tags(`d: ${value("'x'")}`)],
      [own, target('Service', 'other'), tags(`e: ${value("'x'")}`)],
    ],
    expected: { requests_total: { more: 'a,c' } },
  },
  {
    says: 'another namespace does not concern it',
    levels: [['elsewhere', wide, tags(`a: ${value("'x'")}`)]],
    expected: { requests_total: unchanged },
  },
  {
    says: 'a provider that is no prometheus gives no metrics',
    levels: [[own, wide, '[{ providers: [{ name: spans }] }]']],
    mesh: 'extensionProviders: [{ name: spans, zipkin: { service: z, port: 1 } }]',
    expected: { requests_total: 'absent' },
  },
  {
    says: 'what is said to another provider does not concern prometheus; the last list of providers counts',
    levels: [
      [
        own,
        wide,
        `[{ providers: [{ name: spans }], overrides: [{ tagOverrides: { a: ${value("'x'")} } }] },
          { providers: [{ name: PROMETHEUS }], overrides: [{ tagOverrides: { b: ${value("'x'")} } }] }]`,
      ],
    ],
    mesh: 'extensionProviders: [{ name: spans, zipkin: { service: z, port: 1 } }]',
    expected: { requests_total: { more: 'b' } },
  },
  {
    says: 'an entry without providers goes to those of the entry before',
    levels: [
      [own, wide, `[{ providers: [{ name: prometheus }] }, { overrides: [{ tagOverrides: { a: ${value("'x'")} } }] }]`],
    ],
    expected: { requests_total: { more: 'a' } },
  },
  {
    says: 'without default providers there are none until a Telemetry names one',
    levels: [],
    mesh: 'defaultProviders: { metrics: [] }',
    expected: { requests_total: 'absent' },
  },
];

function manifestOf({ levels, mesh }: Clause): string {
  const objects = levels.map(
    ([namespace, attachment, metrics], index) => `
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: t${index}, namespace: ${namespace}, creationTimestamp: "2026-01-01T00:00:0${index}Z" }
spec:
  metrics: ${metrics.replaceAll('\n', ' ')}
  ${attachment}
`,
  );
  if (mesh !== undefined) {
    objects.push(`
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: ${JSON.stringify(mesh)} }
`);
  }
  return objects.join('---');
}

/** One request and one connection through a waypoint with these resources: the labels of each metric. */
async function labelsOf(clause: Clause): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
  const resources = readWaypointResources(parseManifest(manifestOf(clause), 't.yaml').objects);
  t.same(resources.problems, [], clause.says);
  const { recorder, exposition } = createMetricsRegistry();
  const { log: lines } = collectLines();
  const telemetry = createWaypointTelemetry(
    {
      recorder,
      lines,
      failures: createFailureJournal({ recorder, lines, linesPerSecond: 0, now: () => 0 }),
      output: () => ({ write: () => undefined }),
      collectors: { add: () => undefined, keepOnly: () => undefined },
      accessLog: 'off',
      tcpIntervalMs: 0,
      waypoint: { gateway: 'gate', namespace: own, rootNamespace: root },
    },
    resources,
  );
  telemetry.requestEnded(someRequest);
  telemetry.connectionOpened(someConnection.downstream, undefined, []).close('-');
  telemetry.close();
  const found = new Map<string, ReadonlyMap<string, string>>();
  for (const line of (await exposition(undefined)).body.split('\n')) {
    const [, name, labels] = /^istio_(\w+?)(?:_count)?\{(.*)\} /.exec(line) ?? [];
    if (name === undefined || labels === undefined || name.endsWith('_bucket')) continue;
    const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map((match) => [match[1] ?? '', match[2] ?? ''] as const);
    found.set(name, new Map(pairs));
  }
  return found;
}

for (const clause of clauses) {
  t.test(clause.says, async (t) => {
    const found = await labelsOf(clause);
    for (const [metric, expected] of Object.entries(clause.expected)) {
      const labels = found.get(metric);
      if (expected === 'absent') {
        t.equal(labels, undefined, metric);
        continue;
      }
      const standard = metric.startsWith('tcp_') ? tcpLabelNames : httpLabelNames;
      const more = expected.more?.split(',') ?? [];
      const names = [...standard.filter((name) => name !== expected.fewer), ...more];
      t.same([...(labels?.keys() ?? [])], names, metric);
      for (const [name, text] of Object.entries(expected.values ?? {})) t.equal(labels?.get(name), text, name);
    }
  });
}
