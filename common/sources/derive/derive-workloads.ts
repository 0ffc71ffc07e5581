// Workloads of the mesh, from every kind of source, each with the services it belongs to and the policies it names: all at
// once in the order of their uids, or those of one resource. Pure: resources and the context they stand in, in; workloads out.
import type { Workload } from '../../mesh/workload.ts';
import type { EndpointSlice } from '../kinds/endpoint-slice.ts';
import { isSubset } from '../kinds/label-selector.ts';
import type { Pod } from '../kinds/pod.ts';
import type { EntryEndpoint, ServiceEntry } from '../kinds/service-entry.ts';
import type { WorkloadEntry } from '../kinds/workload-entry.ts';
import type { ObjectMeta } from '../kubernetes-object.ts';
import type { Resources } from '../resources.ts';
import type { Derivation } from './derivation.ts';
import type { EntryClaim } from './host-claims.ts';
import { workloadOfNetworkGateway } from './network-gateway.ts';
import { waypointPolicyKeys } from './policy-for-waypoint.ts';
import { type PeerAuthentications, peerAuthenticationKeys } from './policy-from-peer-authentication.ts';
import { type MeshService, meshServiceOfClaim } from './service-directory.ts';
import { bindWaypointOfService } from './service-from-service.ts';
import { withPlaintextPorts } from './tunnel-protocol.ts';
import type { Waypoint } from './waypoint.ts';
import { bindWaypoint } from './waypoint-binding.ts';
import { inForceIn, podIdentity, serviceOfSlice, type WorkloadContext } from './workload-context.ts';
import { workloadsFromEndpointSlice } from './workload-from-endpoint-slice.ts';
import { workloadFromEntryEndpoint, workloadFromWorkloadEntry } from './workload-from-entry.ts';
import { workloadFromPod } from './workload-from-pod.ts';

export function deriveWorkloads(
  context: WorkloadContext,
  resources: Resources,
  claims: readonly EntryClaim[],
): readonly Workload[] {
  const workloads = [
    ...resources.pods.flatMap((pod) => workloadOfPod(pod, context) ?? []),
    ...resources.workloadEntries.map((entry) => workloadOfEntry(entry, context)),
    ...[...Map.groupBy(claims, ({ entry }) => entry)].flatMap(([entry, own]) =>
      workloadsOfServiceEntry(entry, own, context),
    ),
    ...resources.endpointSlices.flatMap((slice) => workloadsOfSlice(slice, context)),
    ...workloadsOfNetworkGateways(context.derivation),
  ];
  return workloads.sort((a, b) => (a.uid < b.uid ? -1 : Number(a.uid > b.uid)));
}

export function workloadOfPod(pod: Pod, context: WorkloadContext): Workload | undefined {
  const meta = pod.object.metadata;
  const memberOf = servicesSelecting(meta, context);
  for (const key of context.servicesNaming.get(podIdentity(meta)) ?? []) {
    const service = context.services.byKey.get(key);
    if (service !== undefined) memberOf.push(service);
  }
  const workload = workloadFromPod(pod, memberOf, policyKeysOf(meta, memberOf, context), context.derivation);
  return workload && withMtlsModes(workload, meta, context);
}

export function workloadOfEntry(entry: WorkloadEntry, context: WorkloadContext): Workload {
  const meta = { ...entry.object.metadata, labels: entry.labels };
  const memberOf = servicesSelecting(meta, context);
  const policies = policyKeysOf(meta, memberOf, context);
  return withMtlsModes(workloadFromWorkloadEntry(entry, memberOf, policies, context.derivation), meta, context);
}

/** @param claims those of its hosts that hold */
export function workloadsOfServiceEntry(
  entry: ServiceEntry,
  claims: readonly EntryClaim[],
  context: WorkloadContext,
): readonly Workload[] {
  const meta = entry.object.metadata;
  return endpointsOf(entry, claims).map(([endpoint, served]) => {
    const memberOf = served.map(meshServiceOfClaim);
    const policies = policyKeysOf(meta, memberOf, context);
    const workload = workloadFromEntryEndpoint(entry, endpoint, memberOf, policies, context.derivation);
    return withMtlsModes(workload, meta, context);
  });
}

export function workloadsOfSlice(slice: EndpointSlice, context: WorkloadContext): readonly Workload[] {
  const service = serviceOfSlice(slice, context.services, context.derivation);
  return service === undefined ? [] : workloadsFromEndpointSlice(slice, service, context.derivation);
}

export function workloadsOfNetworkGateways({ networkGateways, settings }: Derivation): readonly Workload[] {
  return networkGateways.map((gateway) => workloadOfNetworkGateway(gateway, settings.trustDomain));
}

function servicesSelecting({ namespace, labels }: ObjectMeta, { services, claims }: WorkloadContext): MeshService[] {
  return [...services.selecting(namespace, labels), ...claims.selecting(namespace, labels)];
}

/** Written endpoints serve all hosts; where DNS is to find them and none is written, each host is its own endpoint. */
function endpointsOf(
  entry: ServiceEntry,
  claims: readonly EntryClaim[],
): readonly (readonly [EntryEndpoint, readonly EntryClaim[]])[] {
  if (entry.endpoints.length > 0) return entry.endpoints.map((endpoint) => [endpoint, claims] as const);
  if (entry.workloadSelector !== undefined || !entry.resolution.includes('DNS')) return [];
  const implicit = { ports: {}, labels: {}, network: '', locality: '', weight: undefined, serviceAccount: '' };
  return claims.map((claim) => [{ ...implicit, address: claim.service.hostname }, [claim]] as const);
}

function policyKeysOf(meta: ObjectMeta, memberOf: readonly MeshService[], context: WorkloadContext): readonly string[] {
  const { derivation, policies } = context;
  const { rootNamespace, waypointAdmission } = derivation.settings;
  const selected = inForceIn(policies, meta.namespace, rootNamespace)
    .filter(({ labels }) => isSubset(labels, meta.labels))
    .map(({ key }) => key)
    .sort();
  const byPeer = peerAuthenticationKeys(meta.namespace, meta.labels, peerAuthenticationsOf(meta, context));
  if (waypointAdmission !== 'automatic') return [...selected, ...byPeer];
  return [...selected, ...byPeer, ...waypointPolicyKeys(waypointsBefore(meta, memberOf, derivation), derivation)];
}

function withMtlsModes(workload: Workload, meta: ObjectMeta, context: WorkloadContext): Workload {
  if (workload.tunnelProtocol !== 'istio-mtls') return workload;
  return withPlaintextPorts(workload, meta, peerAuthenticationsOf(meta, context));
}

function peerAuthenticationsOf({ namespace }: ObjectMeta, context: WorkloadContext): PeerAuthentications {
  const { rootNamespace } = context.derivation.settings;
  return { all: inForceIn(context.peerAuthentications, namespace, rootNamespace), rootNamespace };
}

function waypointsBefore(
  meta: ObjectMeta,
  memberOf: readonly MeshService[],
  derivation: Derivation,
): readonly Waypoint[] {
  const gatewayName = meta.labels['gateway.networking.k8s.io/gateway-name'];
  if (derivation.waypoints.has(`${meta.namespace}/${gatewayName}`)) return [];
  const bindings = [
    bindWaypoint(meta, 'workload', derivation),
    ...memberOf.map((service) => bindWaypointOfService(service.meta, derivation)),
  ];
  return bindings.flatMap((binding) => (binding.kind === 'bound' ? [binding.waypoint] : []));
}
