// Random Kubernetes objects of every kind that the mesh is derived from, from few names, so that they meet: the same name
// comes again with other contents, and labels, hosts, waypoints and selectors fit each other now and then.
import type { ObjectChange } from '../../../../common/sources/incremental/resource-store.ts';
import {
  type KubernetesObject,
  objectKey,
  parseKubernetesObject,
} from '../../../../common/sources/kubernetes-object.ts';

export type Random = () => number;

export function pick<T>(random: Random, values: readonly T[]): T {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new RangeError('nothing to pick from');
  return value;
}

const namespaces = ['a', 'b', 'istio-system'];
const apps = ['web', 'db'];

export function randomObject(random: Random): KubernetesObject {
  return parseKubernetesObject(pick(random, makers)(random), undefined);
}

/** One comes, changes or goes; `present` is kept up to date. */
export function randomChange(random: Random, present: Map<string, KubernetesObject>): ObjectChange {
  if (present.size > 0 && random() < 0.3) {
    const key = pick(random, [...present.keys()]);
    present.delete(key);
    return { kind: 'gone', key };
  }
  const object = randomObject(random);
  present.set(objectKey(object), object);
  return { kind: 'put', object };
}

type Json = Readonly<Record<string, unknown>>;

const one = <T>(random: Random, ...values: readonly T[]): T => pick(random, values);
const maybe = <T>(random: Random, value: T): T | undefined => (random() < 0.5 ? value : undefined);

function meta(random: Random, names: readonly string[], more: Json = {}): Json {
  const labels = {
    app: pick(random, apps),
    ...(random() < 0.3 && { 'istio.io/use-waypoint': one(random, 'wp', 'none', 'other') }),
    ...(random() < 0.1 && { 'istio.io/use-waypoint-namespace': 'b' }),
    ...(random() < 0.1 && { 'istio.io/rev': 'another' }),
    ...(random() < 0.1 && { 'istio.io/use-waypoint-canary': 'other' }),
    ...(random() < 0.3 && { 'security.istio.io/tlsMode': 'istio' }),
  };
  const annotations = {
    ...(random() < 0.5 && { 'ambient.istio.io/redirection': 'enabled' }),
    ...(random() < 0.2 && { 'istio.io/use-waypoint-canary-weight': '20' }),
    ...(random() < 0.2 && { 'networking.istio.io/traffic-distribution': 'PreferClose' }),
  };
  const creationTimestamp = `2026-01-01T00:00:0${Math.floor(random() * 4)}Z`;
  return {
    name: pick(random, names),
    namespace: pick(random, namespaces),
    labels,
    annotations,
    creationTimestamp,
    ...more,
  };
}

const pod = (random: Random): Json => {
  const metadata = meta(random, ['web-1', 'web-2', 'db-1', 'wp-1']);
  const isInstance = metadata['name'] === 'wp-1' || random() < 0.05;
  const labels = {
    ...(metadata['labels'] as Json),
    ...(isInstance && { 'gateway.networking.k8s.io/gateway-name': 'wp' }),
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, labels },
    spec: {
      nodeName: one(random, 'n1', 'n2'),
      serviceAccountName: one(random, 'one', 'two'),
      containers: [{ ports: [{ name: 'http', containerPort: one(random, 80, 8080, 70_000) }] }],
    },
    status: {
      phase: one(random, 'Running', 'Running', 'Succeeded'),
      podIP: `10.0.0.${1 + Math.floor(random() * 5)}`,
      conditions: [{ type: 'Ready', status: one(random, 'True', 'False') }],
    },
  };
};

const service = (random: Random): Json => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: meta(random, ['web', 'db', 'wp']),
  spec: {
    ...(random() < 0.1 && { type: 'ExternalName' }),
    selector: random() < 0.3 ? undefined : { app: pick(random, apps) },
    ports: [{ name: 'http', port: 80, targetPort: one<unknown>(random, 8080, 'http', 'bad name') }],
    clusterIP: one(random, '10.96.0.1', '10.96.0.2'),
  },
});

const endpointSlice = (random: Random): Json => {
  const metadata = meta(random, ['web-x', 'db-x']);
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': one(random, 'web', 'db') } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080 }],
    endpoints: [
      { addresses: ['192.0.2.1'] },
      {
        addresses: ['10.0.0.1'],
        targetRef: { kind: 'Pod', name: one(random, 'web-1', 'db-1'), namespace: maybe(random, 'a') },
      },
    ],
  };
};

const namespace = (random: Random): Json => {
  const { labels, annotations } = meta(random, ['x']);
  const network = random() < 0.2 && { 'topology.istio.io/network': 'net-1' };
  const metadata = { name: pick(random, namespaces), labels: { ...(labels as Json), ...network }, annotations };
  return { apiVersion: 'v1', kind: 'Namespace', metadata };
};

const node = (random: Random): Json => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: one(random, 'n1', 'n2'), labels: { 'topology.kubernetes.io/region': one(random, 'r1', 'r2') } },
});

const gatewayClass = (random: Random): Json => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'GatewayClass',
  metadata: { name: 'istio-waypoint', labels: { 'istio.io/waypoint-for': one(random, 'service', 'all', 'workload') } },
});

const gateway = (random: Random): Json => {
  const metadata = meta(random, ['wp', 'other']);
  const isRemote = random() < 0.1;
  const network = isRemote && { 'topology.istio.io/network': one(random, 'net-1', 'net-2') };
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { ...metadata, labels: { ...(metadata['labels'] as Json), ...network } },
    spec: {
      gatewayClassName: isRemote ? 'istio-remote' : 'istio-waypoint',
      listeners: [
        {
          name: 'mesh',
          port: 15008,
          protocol: 'HBONE',
          allowedRoutes: { namespaces: { from: one(random, 'Same', 'All') } },
        },
      ],
    },
    status: random() < 0.2 ? {} : { addresses: [{ type: 'Hostname', value: 'wp.a.svc.cluster.local' }] },
  };
};

const authorizationPolicy = (random: Random): Json => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: meta(random, ['gate', 'door']),
  spec: {
    ...(random() < 0.7 && { selector: { matchLabels: { app: pick(random, apps) } } }),
    action: one(random, 'ALLOW', 'DENY', 'AUDIT', 'nonsense'),
    rules: [{ from: [{ source: { namespaces: [pick(random, namespaces)] } }] }],
  },
});

const peerAuthentication = (random: Random): Json => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: meta(random, ['mtls', 'more']),
  spec: {
    ...(random() < 0.5 && {
      selector: { matchLabels: { app: pick(random, apps) } },
      portLevelMtls: { 8080: { mode: 'DISABLE' } },
    }),
    mtls: { mode: one(random, 'STRICT', 'PERMISSIVE', 'DISABLE', 'UNSET', 'bad') },
  },
});

const serviceEntry = (random: Random): Json => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'ServiceEntry',
  metadata: meta(random, ['ext', 'out']),
  spec: {
    hosts: one(random, ['ext.example'], ['web.a.svc.cluster.local', 'ext.example']),
    ports: [{ name: 'http', number: 80, protocol: 'HTTP' }],
    resolution: one(random, 'STATIC', 'DNS', 'NONE'),
    ...(random() < 0.5
      ? { workloadSelector: { labels: { app: pick(random, apps) } } }
      : { endpoints: [{ address: one(random, '198.51.100.1', '198.51.100.2'), labels: { app: pick(random, apps) } }] }),
  },
});

const workloadEntry = (random: Random): Json => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'WorkloadEntry',
  metadata: meta(random, ['vm-1', 'vm-2']),
  spec: {
    address: one(random, '203.0.113.1', 'vm.example'),
    serviceAccount: 'vm',
    labels: { app: pick(random, apps) },
  },
});

const meshConfig = (random: Random): Json => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'istio', namespace: 'istio-system' },
  data: {
    mesh: one(
      random,
      'trustDomain: td.example',
      'discoverySelectors: [{ matchLabels: { app: web } }]',
      'serviceEntryVisibility: { policies: [{ visibility: NAMESPACE, matchingRules: [{ namespaceSelector: { matchLabels: { app: web } } }] }] }',
      '{}',
      '{}',
      '{}',
    ),
  },
});

const makers = [
  ...[pod, pod, pod, service, service, endpointSlice, namespace, namespace, node, gatewayClass, gateway, gateway],
  ...[authorizationPolicy, authorizationPolicy, peerAuthentication, serviceEntry, workloadEntry],
  (random: Random) => (random() < 0.3 ? meshConfig(random) : pod(random)),
];
