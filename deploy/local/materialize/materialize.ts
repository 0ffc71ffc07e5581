// Plays Kubernetes for a set of manifests: users' objects and the previous allocation in; complete API objects (pods
// with names, addresses, status; services with cluster IPs; waypoints of Gateways) and the pods to run out. Pure.
import type { KubernetesObject as ManifestObject } from '../../../common/sources/kubernetes-object.ts';
import type { ResourceProblem } from '../../../common/sources/resource-problem.ts';
import {
  type AddressClaim,
  type AddressRange,
  type Allocation,
  allocateAddresses,
  emptyAllocation,
} from './allocate-addresses.ts';
import { decideEnrollment } from './enrollment.ts';
import {
  controllerOf,
  fieldsOf,
  type KubernetesObject,
  listOf,
  nameOf,
  namespaceOf,
  textOf,
  textsOf,
} from './kubernetes-object.ts';
import { stableText, uidOf } from './object-names.ts';
import { type PodSpec, podSpecOf } from './pod-spec.ts';
import { podsOf } from './pods-of.ts';
import {
  gatewayNameLabel,
  gatewayStatus,
  isWaypointGateway,
  waypointNames,
  waypointObjects,
} from './waypoint-objects.ts';

export interface ClusterSettings {
  readonly podRange: AddressRange;
  readonly serviceRange: AddressRange;
  readonly nodeName: string;
  readonly nodeIp: string;
  readonly clusterDomain: string;
  /** Only addresses that begin so can be had here; "" for any. */
  readonly addressPrefix: string;
}

export interface ClusterAllocation {
  readonly pods: Allocation;
  readonly services: Allocation;
}

export const emptyClusterAllocation: ClusterAllocation = { pods: emptyAllocation, services: emptyAllocation };

export type PodState = 'starting' | 'ready' | 'succeeded' | 'failed';

export interface Cluster {
  /** What an API server would hold. */
  readonly objects: readonly KubernetesObject[];
  readonly pods: readonly PodSpec[];
  readonly allocation: ClusterAllocation;
  readonly problems: readonly ResourceProblem[];
}

interface Placed {
  readonly object: KubernetesObject;
  readonly place: Pick<ResourceProblem, 'file' | 'line' | 'object'>;
}

/** @param states by pod uid; a pod that is not in it is starting */
export function materialize(
  manifests: readonly ManifestObject[],
  states: ReadonlyMap<string, PodState>,
  previous: ClusterAllocation,
  settings: ClusterSettings,
): Cluster {
  const written = withWaypoints(manifests.map(placed));
  const namespaces = withMissingNamespaces(written);
  const services = written.filter(({ object }) => object.kind === 'Service');
  const pods = expandPods(written);
  const problems: ResourceProblem[] = [];
  const podClaims = pods.filter((pod) => !usesNode(pod)).map((pod) => podClaim(pod, settings, problems));
  const podAddresses = allocateAddresses(podClaims, settings.podRange, previous.pods);
  const serviceClaims = services.filter(hasClusterIp).map((service) => serviceClaim(service, settings));
  const serviceAddresses = allocateAddresses(serviceClaims, settings.serviceRange, previous.services);
  problems.push(...podAddresses.problems, ...serviceAddresses.problems);

  const podObjects: KubernetesObject[] = [];
  const podSpecs: PodSpec[] = [];
  for (const pod of pods) {
    const ip = usesNode(pod) ? settings.nodeIp : podAddresses.allocation.addresses.get(nameOf(pod.object));
    if (ip === undefined) continue;
    const finished = finishPod(pod.object, ip, namespaces.labels.get(namespaceOf(pod.object)) ?? {}, states, settings);
    podObjects.push(finished.object);
    podSpecs.push(finished.spec);
  }
  const clusterIps = serviceAddresses.allocation.addresses;
  const others = written
    .filter(({ object }) => !['Pod', 'Service'].includes(object.kind))
    .map(({ object }) => (isWaypointGateway(object) ? finishGateway(object, clusterIps, settings) : object));
  const serviceObjects = services.map(({ object }) => finishService(object, clusterIps));
  return {
    objects: [node(settings), ...namespaces.missing, ...others, ...serviceObjects, ...podObjects],
    pods: podSpecs,
    allocation: { pods: podAddresses.allocation, services: serviceAddresses.allocation },
    problems,
  };
}

function placed(manifest: ManifestObject): Placed {
  const { name, namespace } = manifest.metadata;
  const raw = fieldsOf(manifest.raw['metadata']);
  const metadata = { ...raw, name, ...(namespace === '' ? {} : { namespace }) };
  const object = { ...manifest.raw, apiVersion: manifest.apiVersion, kind: manifest.kind, metadata };
  return {
    object,
    place: { file: manifest.origin?.file, line: manifest.origin?.line, object: `${manifest.kind} ${nameOf(object)}` },
  };
}

/** What the user has written under a name wins over what would be generated there. */
function withWaypoints(written: readonly Placed[]): readonly Placed[] {
  const taken = new Set(written.map(({ object }) => `${object.kind} ${nameOf(object)}`));
  const generated = written
    .filter(({ object }) => isWaypointGateway(object) && isManaged(object))
    .flatMap(({ object, place }) => waypointObjects(object).map((made) => ({ object: made, place })));
  return [...written, ...generated.filter(({ object }) => !taken.has(`${object.kind} ${nameOf(object)}`))];
}

/** A Gateway that names its own address by host name is somebody else's to serve (istio-control.md §5.2). */
function isManaged(gateway: KubernetesObject): boolean {
  const addresses = listOf(fieldsOf(gateway['spec'])['addresses']).map(fieldsOf);
  return addresses.length === 0 || (addresses.length === 1 && (addresses[0]?.['type'] ?? 'IPAddress') === 'IPAddress');
}

function withMissingNamespaces(written: readonly Placed[]) {
  const labels = new Map<string, Readonly<Record<string, string>>>();
  for (const { object } of written) {
    if (object.kind === 'Namespace') labels.set(object.metadata.name, textsOf(object.metadata.labels));
  }
  const used = new Set(
    written.flatMap(({ object }) => (object.metadata.namespace === undefined ? [] : [namespaceOf(object)])),
  );
  const missing = [...used].filter((name) => !labels.has(name)).sort();
  return { labels, missing: missing.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })) };
}

/** Pods and ReplicaSets that another object of the manifests would make are left out: `kubectl get all` lists both. */
function expandPods(written: readonly Placed[]): readonly Placed[] {
  const present = new Set(written.map(({ object }) => `${object.kind} ${nameOf(object)}`));
  const own = written.filter(({ object }) => {
    const owner = controllerOf(object);
    return owner === undefined || !present.has(`${owner.kind} ${namespaceOf(object)}/${owner.name}`);
  });
  return own.flatMap(({ object, place }): readonly Placed[] => {
    if (object.kind !== 'Pod')
      return (podsOf(object) ?? []).map((pod) => ({ object: pod, place: { ...place, object: `Pod ${nameOf(pod)}` } }));
    const uid = uidOf(
      'Pod',
      nameOf(object),
      stableText(object['spec']),
      stableText(fieldsOf(object['status'])['podIP']),
    );
    return [{ object: { ...object, metadata: { ...object.metadata, uid } }, place }];
  });
}

function usesNode({ object }: Placed): boolean {
  return fieldsOf(object['spec'])['hostNetwork'] === true;
}

function podClaim(pod: Placed, settings: ClusterSettings, problems: ResourceProblem[]): AddressClaim {
  const status = fieldsOf(pod.object['status']);
  const wanted = textOf(status['podIP']) ?? textOf(fieldsOf(listOf(status['podIPs'])[0])['ip']);
  const claim = { key: nameOf(pod.object), place: pod.place, wanted };
  if (wanted === undefined || wanted.startsWith(settings.addressPrefix)) return claim;
  problems.push({
    ...pod.place,
    severity: 'warning',
    field: 'status.podIP',
    message: `is ${wanted}, which cannot be had without network namespaces, so it gets another address`,
    remedy: `leave it out, or take one that begins with ${settings.addressPrefix}`,
  });
  return { ...claim, wanted: undefined };
}

function hasClusterIp({ object }: Placed): boolean {
  const spec = fieldsOf(object['spec']);
  return spec['clusterIP'] !== 'None' && spec['type'] !== 'ExternalName';
}

function serviceClaim({ object, place }: Placed, settings: ClusterSettings): AddressClaim {
  const wanted = textOf(fieldsOf(object['spec'])['clusterIP']);
  return { key: nameOf(object), place, wanted: wanted?.startsWith(settings.addressPrefix) ? wanted : undefined };
}

function finishService(object: KubernetesObject, clusterIps: ReadonlyMap<string, string>): KubernetesObject {
  const ip = clusterIps.get(nameOf(object));
  if (ip === undefined) return object;
  return { ...object, spec: { ...fieldsOf(object['spec']), clusterIP: ip, clusterIPs: [ip] } };
}

function finishGateway(
  gateway: KubernetesObject,
  clusterIps: ReadonlyMap<string, string>,
  settings: ClusterSettings,
): KubernetesObject {
  const namespace = namespaceOf(gateway);
  const service = waypointNames(gateway).service;
  const ip = clusterIps.get(`${namespace}/${service}`);
  if (ip === undefined || !isManaged(gateway)) return gateway;
  return { ...gateway, status: gatewayStatus(`${service}.${namespace}.svc.${settings.clusterDomain}`, ip) };
}

function finishPod(
  pod: KubernetesObject,
  ip: string,
  namespaceLabels: Readonly<Record<string, string>>,
  states: ReadonlyMap<string, PodState>,
  settings: ClusterSettings,
): { readonly object: KubernetesObject; readonly spec: PodSpec } {
  const namespace = namespaceOf(pod);
  const labels = textsOf(pod.metadata.labels);
  const annotations = textsOf(pod.metadata.annotations);
  const spec = { ...fieldsOf(pod['spec']), nodeName: settings.nodeName };
  const enrollment = decideEnrollment({ namespace, labels, annotations, spec, namespaceLabels });
  const uid = pod.metadata.uid ?? uidOf('Pod', nameOf(pod));
  const state = states.get(uid) ?? 'starting';
  const mark = enrollment.kind === 'enrolled' ? { 'ambient.istio.io/redirection': 'enabled' } : {};
  const gateway = labels[gatewayNameLabel];
  const object = {
    ...pod,
    metadata: { ...pod.metadata, uid, namespace, annotations: { ...annotations, ...mark } },
    spec,
    status: podStatus(ip, state, settings),
  };
  const role =
    gateway === undefined || labels['gateway.istio.io/managed'] === undefined
      ? application
      : { kind: 'waypoint' as const, gateway };
  return {
    object,
    spec: podSpecOf(object, { key: nameOf(pod), uid, namespace, workload: workloadOf(pod), ip, enrollment, role }),
  };
}

const application = { kind: 'application' } as const;

function podStatus(ip: string, state: PodState, settings: ClusterSettings): unknown {
  const ready = state === 'ready' ? 'True' : 'False';
  const phases = { starting: 'Pending', ready: 'Running', succeeded: 'Succeeded', failed: 'Failed' };
  return {
    phase: phases[state],
    hostIP: settings.nodeIp,
    podIP: ip,
    podIPs: [{ ip }],
    conditions: ['Ready', 'ContainersReady'].map((type) => ({ type, status: ready })),
  };
}

function workloadOf(pod: KubernetesObject): string {
  const owner = controllerOf(pod);
  const hash = textsOf(pod.metadata.labels)['pod-template-hash'];
  if (owner === undefined) return pod.metadata.name;
  const suffix = `-${hash}`;
  return hash !== undefined && owner.name.endsWith(suffix) ? owner.name.slice(0, -suffix.length) : owner.name;
}

function node(settings: ClusterSettings): KubernetesObject {
  const addresses = [{ type: 'InternalIP', address: settings.nodeIp }];
  return { apiVersion: 'v1', kind: 'Node', metadata: { name: settings.nodeName }, status: { addresses } };
}
