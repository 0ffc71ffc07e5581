// The changes of the recorded case 80-updates, one by one: what differs is what istiod sent, and nothing else.
import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import type { MeshUpdate } from '../../../../common/mesh/mesh-source.ts';
import { defaultMeshSettings } from '../../../../common/sources/derive/mesh-settings.ts';
import { wdsJson } from '../../../../common/sources/derive/wds-json.ts';
import { IncrementalMesh } from '../../../../common/sources/incremental/incremental-mesh.ts';
import type { ObjectChange } from '../../../../common/sources/incremental/resource-store.ts';
import { objectKey } from '../../../../common/sources/kubernetes-object.ts';
import { objectsOf } from '../from-yaml.ts';
import { applyChanges } from './apply-changes.ts';

const shared = process.env['AMBIENTD_SHARED'] ?? new URL('../../../../../shared', import.meta.url).pathname;
const file = `${shared}/lab/fixtures/80-updates/updates.jsonl`;
const skip = existsSync(file) ? false : `no recordings of istiod at ${file}`;

interface Recorded {
  readonly step?: string;
  readonly resources?: readonly { readonly name: string; readonly resource: unknown }[];
  readonly removed?: readonly string[];
}

/** What istiod sent after each step, the last word on each name. */
function recordedSteps(): readonly ReadonlyMap<string, unknown>[] {
  const steps: Map<string, unknown>[] = [];
  for (const line of readFileSync(file, 'utf8').trim().split('\n')) {
    const entry: Recorded = JSON.parse(line);
    if (entry.step !== undefined) steps.push(new Map());
    for (const { name, resource } of entry.resources ?? []) steps.at(-1)?.set(name, resource);
    for (const name of entry.removed ?? []) steps.at(-1)?.set(name, undefined);
  }
  return steps;
}

function differences(update: MeshUpdate): ReadonlyMap<string, unknown> {
  const json = wdsJson(update);
  const put = [...json['istio.workload.Address'], ...json['istio.security.Authorization']];
  return new Map([
    ...put.map(({ name, resource }): [string, unknown] => [name, JSON.parse(JSON.stringify(resource))]),
    ...[...update.removedWorkloads, ...update.removedServices, ...update.removedPolicies].map(
      (name): [string, unknown] => [name, undefined],
    ),
  ]);
}

const pod = (
  name: string,
  ip: string,
  node: string,
  more: { labels?: string; annotations?: string; ready?: string },
) => `
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  namespace: moves
  labels: { app: ${more.labels ?? 'web'} }
  annotations: { ${more.annotations ?? 'ambient.istio.io/redirection: enabled'} }
spec: { nodeName: ${node}, serviceAccountName: default, containers: [{ ports: [{ containerPort: 8080 }] }] }
status: { phase: Running, podIP: ${ip}, conditions: [{ type: Ready, status: "${more.ready ?? 'True'}" }] }
`;
const web = (more = {}) => pod('web', '10.9.80.1', 'node-a', more);
const second = (more = {}) => pod('second', '10.9.80.2', 'node-b', more);
const service = (more = '') => `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: moves }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }], clusterIP: 10.96.200.1, ipFamilies: [IPv4]${more} }
`;
const policy = (namespace: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: gate, namespace: moves }
spec: { selector: { matchLabels: { app: web } }, rules: [{ from: [{ source: { namespaces: [${namespace}] } }] }] }
`;
const namespace = (labels: string) => `
apiVersion: v1
kind: Namespace
metadata: { name: moves, labels: { ${labels} } }
`;
const waypoint = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: waypoint, namespace: moves }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
status: { addresses: [{ type: Hostname, value: waypoint.moves.svc.cluster.local }] }
`;
const waypointParts = `
apiVersion: v1
kind: Pod
metadata: { name: waypoint-84d59dfd4d-mqz4h, namespace: moves, labels: { gateway.networking.k8s.io/gateway-name: waypoint } }
spec: { nodeName: node-a }
status: { phase: Running, podIP: 10.244.0.105 }
---
apiVersion: v1
kind: Service
metadata: { name: waypoint, namespace: moves, labels: { gateway.istio.io/managed: istio.io-mesh-controller } }
spec: { selector: { gateway.networking.k8s.io/gateway-name: waypoint }, ports: [], clusterIP: 10.96.200.2 }
`;
const nodes = `
apiVersion: v1
kind: Node
metadata: { name: node-a, labels: { topology.kubernetes.io/region: region-1, topology.kubernetes.io/zone: zone-1a, topology.istio.io/subzone: rack-1 } }
---
apiVersion: v1
kind: Node
metadata: { name: node-b, labels: { topology.kubernetes.io/region: region-1, topology.kubernetes.io/zone: zone-1b } }
`;

const put = (yaml: string): readonly ObjectChange[] => objectsOf(yaml).map((object) => ({ kind: 'put', object }));
const gone = (yaml: string): readonly ObjectChange[] =>
  objectsOf(yaml).map((object) => ({ kind: 'gone', key: objectKey(object) }));

const before = [namespace('istio.io/dataplane-mode: ambient'), web(), service(), waypoint, waypointParts, nodes];
const plain = 'ambient.istio.io/redirection: disabled';

/** The steps of the recording as changes of the API, with the names that come to differ. */
const steps: readonly (readonly [name: string, changes: readonly ObjectChange[], touched: readonly string[]])[] = [
  ['a pod comes, not ready', put(second({ ready: 'False' })), ['second']],
  ['it becomes ready', put(second()), ['second']],
  ['it is relabelled', put(second({ labels: 'other' })), ['second']],
  ['and back', put(second()), ['second']],
  ['a policy comes', put(policy('a')), ['second', 'web', 'moves/gate']],
  ['it changes', put(policy('b')), ['moves/gate']],
  ['it goes', gone(policy('b')), ['second', 'web', 'moves/gate']],
  ['the service changes', put(service(', trafficDistribution: PreferClose')), ['service']],
  [
    'the namespace gets a waypoint',
    put(namespace('istio.io/dataplane-mode: ambient, istio.io/use-waypoint: waypoint')),
    ['service'],
  ],
  ['a pod goes', gone(second()), ['second']],
  ['the namespace leaves the mesh', put(web({ annotations: plain })), ['web']],
  [
    'the waypoint goes with its parts',
    [...gone(waypoint), ...gone(waypointParts)],
    ['service', 'Kubernetes//Pod/moves/waypoint-84d59dfd4d-mqz4h', 'moves/waypoint.moves.svc.cluster.local'],
  ],
];

const names: Readonly<Record<string, string>> = {
  second: 'Kubernetes//Pod/moves/second',
  web: 'Kubernetes//Pod/moves/web',
  service: 'moves/web.moves.svc.cluster.local',
};

t.test('each recorded change gives what istiod sent, and touches only what differs', { skip }, async (t) => {
  const recorded = recordedSteps();
  t.equal(recorded.length, steps.length, 'the recording has these steps');
  const mesh = new IncrementalMesh(defaultMeshSettings);
  applyChanges(mesh, before.flatMap(put));
  for (const [index, [name, changes, touched]] of steps.entries()) {
    const found = differences(applyChanges(mesh, changes));
    t.same([...found.keys()].sort(), touched.map((short) => names[short] ?? short).sort(), `${name}: what is touched`);
    const sent = recorded[index];
    for (const [key, value] of found) t.strictSame(value, sent?.get(key), `${name}: ${key}`);
  }
});
