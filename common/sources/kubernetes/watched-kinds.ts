// What is watched in the Kubernetes API, and where. Kinds of custom resources may be missing, and may come later.
// Source: istio-control.md §3.13. The rights that this needs are written down in deploy/cluster/mesh-rbac.yaml.

export interface ApiVersionPath {
  readonly apiVersion: string;
  readonly path: string;
}

export interface WatchedKind {
  readonly kind: string;
  /** Served versions, the wanted one first. */
  readonly versions: readonly ApiVersionPath[];
  /** custom: the API server may not know it. */
  readonly origin: 'built-in' | 'custom';
  readonly query: Readonly<Record<string, string>>;
  /** Looked for so many times less often while it is not served; default 1. */
  readonly patience?: number;
}

const authorizationPolicy = custom('AuthorizationPolicy', 'security.istio.io', 'authorizationpolicies', [
  'v1',
  'v1beta1',
]);

/** For the mesh itself: who is where, who may talk to whom, which waypoint stands before what. */
export function meshKinds(systemNamespace: string): readonly WatchedKind[] {
  return [
    builtIn('Namespace', 'namespaces'),
    builtIn('Node', 'nodes'),
    builtIn('Service', 'services'),
    // Pods that have ended hold no address any more.
    builtIn('Pod', 'pods', { fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed' }),
    meshConfig(systemNamespace),
    {
      kind: 'EndpointSlice',
      versions: [{ apiVersion: 'discovery.k8s.io/v1', path: '/apis/discovery.k8s.io/v1/endpointslices' }],
      origin: 'built-in',
      query: {},
    },
    custom('GatewayClass', 'gateway.networking.k8s.io', 'gatewayclasses', ['v1', 'v1beta1']),
    custom('Gateway', 'gateway.networking.k8s.io', 'gateways', ['v1', 'v1beta1']),
    authorizationPolicy,
    custom('PeerAuthentication', 'security.istio.io', 'peerauthentications', ['v1', 'v1beta1']),
    custom('ServiceEntry', 'networking.istio.io', 'serviceentries', ['v1', 'v1beta1']),
    custom('WorkloadEntry', 'networking.istio.io', 'workloadentries', ['v1', 'v1beta1']),
  ];
}

/** What a waypoint reads beside that. */
export const waypointKinds: readonly WatchedKind[] = [
  custom('Telemetry', 'telemetry.istio.io', 'telemetries', ['v1', 'v1alpha1']),
  custom('WasmPlugin', 'extensions.istio.io', 'wasmplugins', ['v1alpha1']),
  custom('VirtualService', 'networking.istio.io', 'virtualservices', ['v1', 'v1beta1', 'v1alpha3']),
  custom('DestinationRule', 'networking.istio.io', 'destinationrules', ['v1', 'v1beta1', 'v1alpha3']),
  custom('HTTPRoute', 'gateway.networking.k8s.io', 'httproutes', ['v1', 'v1beta1']),
  custom('TCPRoute', 'gateway.networking.k8s.io', 'tcproutes', ['v1', 'v1alpha2']),
];

/** All that a waypoint reads where istiod tells it of the mesh. */
export function waypointConfiguration(systemNamespace: string): readonly WatchedKind[] {
  return [meshConfig(systemNamespace), authorizationPolicy, ...waypointKinds];
}

/** Hardly any cluster serves them, and every node looks for them. */
const mixerPatience = 8;

/** Metrics as Mixer defined them, for the proxy of the node. */
export const mixerKinds: readonly WatchedKind[] = (
  [
    ['metric', 'metrics'],
    ['instance', 'instances'],
    ['prometheus', 'prometheuses'],
    ['handler', 'handlers'],
    ['rule', 'rules'],
  ] as const
).map(([kind, resource]) => ({ ...custom(kind, 'config.istio.io', resource, ['v1alpha2']), patience: mixerPatience }));

/** The ConfigMap that Istio reads, and no other. */
function meshConfig(systemNamespace: string): WatchedKind {
  return builtIn('ConfigMap', `namespaces/${systemNamespace}/configmaps`, { fieldSelector: 'metadata.name=istio' });
}

function builtIn(kind: string, resource: string, query: Readonly<Record<string, string>> = {}): WatchedKind {
  return { kind, versions: [{ apiVersion: 'v1', path: `/api/v1/${resource}` }], origin: 'built-in', query };
}

function custom(kind: string, group: string, resource: string, versions: readonly string[]): WatchedKind {
  return {
    kind,
    versions: versions.map((version) => ({
      apiVersion: `${group}/${version}`,
      path: `/apis/${group}/${version}/${resource}`,
    })),
    origin: 'custom',
    query: {},
  };
}
