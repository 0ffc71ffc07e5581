// The mesh of the interop tests, told to each proxy in its own words: one pod behind Istio's ztunnel, one behind ours, a
// service in front of each. Out: the objects as a cluster has them, and as Istio's LOCAL_XDS_PATH takes them (ztunnel.md §13).
import { type Identity, identityOf } from '../../common/identity/identity.ts';

export const trustDomain = 'cluster.local';

export interface MeshPod {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly address: string;
  readonly node: string;
  /** Cluster address of the service in front of it. */
  readonly vip: string;
  readonly identity: Identity;
}

/** Target ports of each pod's application. The service shows each of them 8000 lower: 80 is 8080. */
export const appPorts = { returns: 8080, echoes: 8081, speaksFirst: 8082, bulk: 8083, resets: 8084 } as const;
/** Open to everybody but the other pod's identity, in both pods. */
export const forbiddenPort = 8089;
const servicePorts = [...Object.values(appPorts), forbiddenPort].map((target) => ({ port: target - 8000, target }));

/** Addresses are those of `createTwoPods`. */
function aPod(namespace: string, node: string, host: number, serviceAccount: string): MeshPod {
  return {
    name: `${namespace}-0`,
    namespace,
    serviceAccount,
    address: `10.77.0.${host}`,
    node,
    vip: `10.96.77.${host}`,
    identity: identityOf({ trustDomain, namespace, serviceAccount }),
  };
}

export interface TwoPodMesh {
  /** Served by Istio's ztunnel. */
  readonly theirs: MeshPod;
  readonly ours: MeshPod;
}

export const mesh: TwoPodMesh = {
  theirs: aPod('theirs', 'node-a', 1, 'their-account'),
  ours: aPod('ours', 'node-b', 2, 'our-account'),
};
/** The same pods under other identities. */
export const disguisedMesh: TwoPodMesh = {
  theirs: aPod('theirs', 'node-a', 1, 'impostor'),
  ours: aPod('ours', 'node-b', 2, 'nobody'),
};
export const serviceRange = '10.96.0.0/16';

export function serviceOf(pod: MeshPod): string {
  return `${pod.namespace}.${pod.namespace}.svc.cluster.local`;
}

/** For LOCAL_XDS_PATH. */
export function istioResources({ theirs, ours }: TwoPodMesh): string {
  const list = (kind: string, ...items: readonly string[]): string => `${kind}:${items.join('')}\n`;
  return [
    list('workloads', istioWorkload(theirs), istioWorkload(ours)),
    list('services', istioService(theirs), istioService(ours)),
    list('policies', istioPolicy(theirs, ours), istioPolicy(ours, theirs)),
  ].join('');
}

/** For AMBIENTD_MANIFESTS, and for a cluster whose nodes heed the annotations `lab/…`. */
export function kubernetesObjects({ theirs, ours }: TwoPodMesh): string {
  return [...kubernetesOf(theirs, ours), ...kubernetesOf(ours, theirs)].join('---');
}

function istioWorkload(pod: MeshPod): string {
  const ports = servicePorts.map(({ port, target }) => `${port}: ${target}`).join(', ');
  return `
- uid: Kubernetes//Pod/${pod.namespace}/${pod.name}
  name: ${pod.name}
  namespace: ${pod.namespace}
  trustDomain: ${trustDomain}
  serviceAccount: ${pod.serviceAccount}
  workloadIps: [${pod.address}]
  protocol: HBONE
  node: ${pod.node}
  clusterId: Kubernetes
  workloadName: ${pod.name}
  workloadType: pod
  canonicalName: ${pod.namespace}
  canonicalRevision: v1
  services: { ${pod.namespace}/${serviceOf(pod)}: { ${ports} } }`;
}

function istioService(pod: MeshPod): string {
  const ports = servicePorts.map(({ port, target }) => `${port}: ${target}`).join(', ');
  return `
- name: ${pod.namespace}
  namespace: ${pod.namespace}
  hostname: ${serviceOf(pod)}
  vips: [/${pod.vip}]
  ports: { ${ports} }`;
}

function istioPolicy(pod: MeshPod, other: MeshPod): string {
  return `
- name: not-the-other
  namespace: ${pod.namespace}
  scope: Namespace
  action: Deny
  dryRun: false
  rules: [[[{ principals: [!Exact ${principal(other)}], destinationPorts: [${forbiddenPort}] }]]]`;
}

function kubernetesOf(pod: MeshPod, other: MeshPod): readonly string[] {
  const ports = servicePorts.map(({ port, target }) => `{ name: tcp-${port}, port: ${port}, targetPort: ${target} }`);
  return [
    `
apiVersion: v1
kind: Namespace
metadata: { name: ${pod.namespace}, labels: { istio.io/dataplane-mode: ambient } }
`,
    `
apiVersion: v1
kind: ServiceAccount
metadata: { name: ${pod.serviceAccount}, namespace: ${pod.namespace} }
`,
    `
apiVersion: v1
kind: Pod
metadata:
  name: ${pod.name}
  namespace: ${pod.namespace}
  labels: { app: ${pod.namespace}, version: v1 }
  annotations: { ambient.istio.io/redirection: enabled, lab/node: ${pod.node}, lab/pod-ip: ${pod.address} }
spec: { nodeName: ${pod.node}, serviceAccountName: ${pod.serviceAccount}, containers: [{ name: app, image: app }] }
status: { phase: Running, podIPs: [{ ip: ${pod.address} }], conditions: [{ type: Ready, status: "True" }] }
`,
    `
apiVersion: v1
kind: Service
metadata: { name: ${pod.namespace}, namespace: ${pod.namespace} }
spec: { selector: { app: ${pod.namespace} }, clusterIP: ${pod.vip}, ports: [${ports.join(', ')}] }
`,
    `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: not-the-other, namespace: ${pod.namespace} }
spec:
  action: DENY
  rules:
  - from: [{ source: { principals: [${principal(other)}] } }]
    to: [{ operation: { ports: ["${forbiddenPort}"] } }]
`,
  ];
}

/** As policies name it: the SPIFFE id without its scheme. */
function principal(pod: MeshPod): string {
  return pod.identity.uri.slice('spiffe://'.length);
}
