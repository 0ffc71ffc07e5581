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

type Reader = (object: KubernetesObject, into: Resources) => void;

/** Readers by `<API group>/<kind>`; a kind that is not here is not used by the derivation. */
const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['/Namespace', (object, into) => void into.namespaces.set(object.metadata.name, object.metadata)],
  ['/Node', (object, into) => void into.nodes.set(object.metadata.name, object.metadata)],
  ['/Pod', (object, into) => void into.pods.push(parsePod(object))],
  ['/Service', (object, into) => void into.services.push(parseService(object))],
  [
    'gateway.networking.k8s.io/GatewayClass',
    (object, into) => void into.gatewayClasses.set(object.metadata.name, object.metadata),
  ],
  ['gateway.networking.k8s.io/Gateway', (object, into) => void into.gateways.push(parseGateway(object))],
  [
    'security.istio.io/AuthorizationPolicy',
    (object, into) => void into.authorizationPolicies.push(parseAuthorizationPolicy(object)),
  ],
  [
    'security.istio.io/PeerAuthentication',
    (object, into) => void into.peerAuthentications.push(parsePeerAuthentication(object)),
  ],
  ['networking.istio.io/ServiceEntry', (object, into) => void into.serviceEntries.push(parseServiceEntry(object))],
  ['networking.istio.io/WorkloadEntry', (object, into) => void into.workloadEntries.push(parseWorkloadEntry(object))],
  ['discovery.k8s.io/EndpointSlice', (object, into) => void into.endpointSlices.push(parseEndpointSlice(object))],
]);

/** What takes the place of a policy that cannot be read. */
const closedReaders: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  [
    'security.istio.io/AuthorizationPolicy',
    (object, into) => void into.authorizationPolicies.push(unreadableAuthorizationPolicy(object)),
  ],
  [
    'security.istio.io/PeerAuthentication',
    (object, into) => void into.peerAuthentications.push(unreadablePeerAuthentication(object)),
  ],
]);

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
    const reader = readerFor(object, systemNamespace);
    if (reader === undefined) continue;
    const key = objectKey(object);
    const problem = tryRead(reader, object, resources);
    if (problem === undefined) {
      lastGood.set(key, object);
      continue;
    }
    const good = previous.get(key);
    problems.push(withConsequence(problem, object, good !== undefined));
    if (good !== undefined) {
      reader(good, resources);
      lastGood.set(key, good);
    } else {
      closedReaders.get(kindOf(object))?.(object, resources);
    }
  }
  return { resources, problems, lastGood };
}

function kindOf(object: KubernetesObject): string {
  return `${apiGroup(object)}/${object.kind}`;
}

function readerFor(object: KubernetesObject, systemNamespace: string): Reader | undefined {
  if (kindOf(object) === '/ConfigMap') {
    const isMeshConfig = object.metadata.namespace === systemNamespace && object.metadata.name === 'istio';
    return isMeshConfig ? (configMap, into) => void into.meshConfigs.push(parseMeshConfig(configMap)) : undefined;
  }
  return readers.get(kindOf(object));
}

function tryRead(reader: Reader, object: KubernetesObject, into: Resources): ResourceProblem | undefined {
  try {
    reader(object, into);
    return undefined;
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    const { path: field, message, remedy } = error;
    return problemWith(object, { severity: 'error', field, message, remedy });
  }
}

function withConsequence(problem: ResourceProblem, object: KubernetesObject, hasGood: boolean): ResourceProblem {
  const closed: Record<string, string> = {
    AuthorizationPolicy: 'everything it applies to is denied until then',
    PeerAuthentication: 'it counts as STRICT until then',
  };
  const consequence = hasGood
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
