// Narrows Kubernetes objects to the resources the mesh is derived from, one parser a kind.
// An object that cannot be read is a problem; its last good version is used where there is one, else it is left out,
// except for policies: those fail closed.
import { MalformedField } from './field.ts';
import {
  type AuthorizationResource,
  parseAuthorizationPolicy,
  unreadableAuthorizationPolicy,
} from './kinds/authorization-policy.ts';
import { type EndpointSlice, parseEndpointSlice } from './kinds/endpoint-slice.ts';
import { type Gateway, parseGateway } from './kinds/gateway.ts';
import { type MeshConfig, parseMeshConfig } from './kinds/mesh-config.ts';
import {
  type PeerAuthentication,
  parsePeerAuthentication,
  unreadablePeerAuthentication,
} from './kinds/peer-authentication.ts';
import { type Pod, parsePod } from './kinds/pod.ts';
import { type KubernetesService, parseService } from './kinds/service.ts';
import { parseServiceEntry, type ServiceEntry } from './kinds/service-entry.ts';
import { parseWorkloadEntry, type WorkloadEntry } from './kinds/workload-entry.ts';
import { apiGroup, type KubernetesObject, type ObjectMeta, objectKey, problemWith } from './kubernetes-object.ts';
import type { ResourceProblem } from './resource-problem.ts';

export interface Resources {
  readonly namespaces: Map<string, ObjectMeta>;
  readonly nodes: Map<string, ObjectMeta>;
  readonly gatewayClasses: Map<string, ObjectMeta>;
  readonly pods: Pod[];
  readonly services: KubernetesService[];
  readonly gateways: Gateway[];
  readonly authorizationPolicies: AuthorizationResource[];
  readonly peerAuthentications: PeerAuthentication[];
  readonly serviceEntries: ServiceEntry[];
  readonly workloadEntries: WorkloadEntry[];
  readonly endpointSlices: EndpointSlice[];
  /** ConfigMap `istio` of the system namespace. */
  readonly meshConfigs: MeshConfig[];
}

/** Objects by key, each as it was when it could last be read. */
export type LastGood = ReadonlyMap<string, KubernetesObject>;

export interface ReadResources {
  readonly resources: Resources;
  readonly problems: readonly ResourceProblem[];
  /** To be given to the next call. */
  readonly lastGood: LastGood;
}

/** One object, narrowed to its kind. */
export type Resource =
  | { readonly kind: 'namespaces' | 'nodes' | 'gatewayClasses'; readonly value: ObjectMeta }
  | { readonly kind: 'pods'; readonly value: Pod }
  | { readonly kind: 'services'; readonly value: KubernetesService }
  | { readonly kind: 'gateways'; readonly value: Gateway }
  | { readonly kind: 'authorizationPolicies'; readonly value: AuthorizationResource }
  | { readonly kind: 'peerAuthentications'; readonly value: PeerAuthentication }
  | { readonly kind: 'serviceEntries'; readonly value: ServiceEntry }
  | { readonly kind: 'workloadEntries'; readonly value: WorkloadEntry }
  | { readonly kind: 'endpointSlices'; readonly value: EndpointSlice }
  | { readonly kind: 'meshConfigs'; readonly value: MeshConfig };

/** @throws MalformedField */
type Reader = (object: KubernetesObject) => Resource;

/** Readers by `<API group>/<kind>`; a kind that is not here is not used by the derivation. */
const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['/Namespace', (object) => ({ kind: 'namespaces', value: object.metadata })],
  ['/Node', (object) => ({ kind: 'nodes', value: object.metadata })],
  ['/Pod', (object) => ({ kind: 'pods', value: parsePod(object) })],
  ['/Service', (object) => ({ kind: 'services', value: parseService(object) })],
  ['gateway.networking.k8s.io/GatewayClass', (object) => ({ kind: 'gatewayClasses', value: object.metadata })],
  ['gateway.networking.k8s.io/Gateway', (object) => ({ kind: 'gateways', value: parseGateway(object) })],
  [
    'security.istio.io/AuthorizationPolicy',
    (object) => ({ kind: 'authorizationPolicies', value: parseAuthorizationPolicy(object) }),
  ],
  [
    'security.istio.io/PeerAuthentication',
    (object) => ({ kind: 'peerAuthentications', value: parsePeerAuthentication(object) }),
  ],
  ['networking.istio.io/ServiceEntry', (object) => ({ kind: 'serviceEntries', value: parseServiceEntry(object) })],
  ['networking.istio.io/WorkloadEntry', (object) => ({ kind: 'workloadEntries', value: parseWorkloadEntry(object) })],
  ['discovery.k8s.io/EndpointSlice', (object) => ({ kind: 'endpointSlices', value: parseEndpointSlice(object) })],
]);

/** What takes the place of a policy that cannot be read. */
const closedReaders: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  [
    'security.istio.io/AuthorizationPolicy',
    (object) => ({ kind: 'authorizationPolicies', value: unreadableAuthorizationPolicy(object) }),
  ],
  [
    'security.istio.io/PeerAuthentication',
    (object) => ({ kind: 'peerAuthentications', value: unreadablePeerAuthentication(object) }),
  ],
]);

export type ReadObject =
  | { readonly kind: 'unused' }
  | { readonly kind: 'good'; readonly resource: Resource }
  /** `closed`: what takes its place where there is no last good version. */
  | { readonly kind: 'bad'; readonly problem: ResourceProblem; readonly closed: Resource | undefined };

/** @param standIn what serves instead: told in the problem */
export function readObject(
  object: KubernetesObject,
  systemNamespace: string,
  standIn: 'none' | 'last-good',
): ReadObject {
  const reader = readerFor(object, systemNamespace);
  if (reader === undefined) return { kind: 'unused' };
  try {
    return { kind: 'good', resource: reader(object) };
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    const { path: field, message, remedy } = error;
    const problem = problemWith(object, { severity: 'error', field, message, remedy });
    const closed = standIn === 'none' ? closedReaders.get(kindOf(object))?.(object) : undefined;
    return { kind: 'bad', problem: withConsequence(problem, object, standIn), closed };
  }
}

/** @param systemNamespace where ConfigMap `istio` is looked for */
export function readResources(
  objects: readonly KubernetesObject[],
  systemNamespace: string,
  previous: LastGood = new Map(),
): ReadResources {
  const resources = emptyResources();
  const problems: ResourceProblem[] = [];
  const lastGood = new Map<string, KubernetesObject>();
  for (const object of objects) {
    const key = objectKey(object);
    const good = previous.get(key);
    const read = readObject(object, systemNamespace, good === undefined ? 'none' : 'last-good');
    if (read.kind === 'unused') continue;
    if (read.kind === 'good') {
      put(read.resource, resources);
      lastGood.set(key, object);
      continue;
    }
    problems.push(read.problem);
    if (read.closed !== undefined) put(read.closed, resources);
    const reread = good && readObject(good, systemNamespace, 'none');
    if (good === undefined || reread?.kind !== 'good') continue;
    put(reread.resource, resources);
    lastGood.set(key, good);
  }
  return { resources, problems, lastGood };
}

function put(resource: Resource, into: Resources): void {
  switch (resource.kind) {
    case 'namespaces':
    case 'nodes':
    case 'gatewayClasses':
      into[resource.kind].set(resource.value.name, resource.value);
      return;
    default:
      (into[resource.kind] as (typeof resource.value)[]).push(resource.value);
  }
}

function kindOf(object: KubernetesObject): string {
  return `${apiGroup(object)}/${object.kind}`;
}

function readerFor(object: KubernetesObject, systemNamespace: string): Reader | undefined {
  if (kindOf(object) === '/ConfigMap') {
    const isMeshConfig = object.metadata.namespace === systemNamespace && object.metadata.name === 'istio';
    return isMeshConfig ? (configMap) => ({ kind: 'meshConfigs', value: parseMeshConfig(configMap) }) : undefined;
  }
  return readers.get(kindOf(object));
}

function withConsequence(
  problem: ResourceProblem,
  object: KubernetesObject,
  standIn: 'none' | 'last-good',
): ResourceProblem {
  const closed: Record<string, string> = {
    AuthorizationPolicy: 'everything it applies to is denied until then',
    PeerAuthentication: 'it counts as STRICT until then',
  };
  const consequence =
    standIn === 'last-good'
      ? 'its last good version keeps serving until then'
      : (closed[object.kind] ?? 'it is left out until then');
  return { ...problem, remedy: `${problem.remedy} (${consequence})` };
}

function emptyResources(): Resources {
  return {
    namespaces: new Map(),
    nodes: new Map(),
    gatewayClasses: new Map(),
    pods: [],
    services: [],
    gateways: [],
    authorizationPolicies: [],
    peerAuthentications: [],
    serviceEntries: [],
    workloadEntries: [],
    endpointSlices: [],
    meshConfigs: [],
  };
}
