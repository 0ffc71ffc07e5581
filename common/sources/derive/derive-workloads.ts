// All workloads of the mesh, from every kind of source, each with the services it belongs to and the policies it names.
// Resources, settled ServiceEntries and selecting policies in; workloads in the order of their uids out.
import type { Workload } from '../../mesh/workload.ts';
import { isSubset, type Labels } from '../kinds/label-selector.ts';
import type { EntryEndpoint, ServiceEntry } from '../kinds/service-entry.ts';
import type { ObjectMeta } from '../kubernetes-object.ts';
import type { Derivation } from './derivation.ts';
import type { EntryClaim } from './host-claims.ts';
import { type SelectingService, selects } from './membership.ts';
import { workloadOfNetworkGateway } from './network-gateway.ts';
import { waypointPolicyKeys } from './policy-for-waypoint.ts';
import { peerAuthenticationKeys } from './policy-from-peer-authentication.ts';
import { bindWaypointOfService, hostnameOfService } from './service-from-service.ts';
import type { Waypoint } from './waypoint.ts';
import { bindWaypoint } from './waypoint-binding.ts';
import { workloadsFromEndpointSlice } from './workload-from-endpoint-slice.ts';
import { workloadFromEntryEndpoint, workloadFromWorkloadEntry } from './workload-from-entry.ts';
import { workloadFromPod } from './workload-from-pod.ts';

/** A policy with a selector: in the root namespace it selects everywhere. */
export interface SelectingPolicy {
  readonly key: string;
  readonly namespace: string;
  readonly labels: Labels;
}

/** A selecting service together with the object that may bind it to a waypoint. */
interface MeshService extends SelectingService {
  readonly meta: ObjectMeta;
}

export function deriveWorkloads(
  derivation: Derivation,
  claims: readonly EntryClaim[],
  policies: readonly SelectingPolicy[],
): readonly Workload[] {
  const ofCluster = servicesOf(derivation);
  const byName: ServicesByName = new Map(
    ofCluster.map((service) => [`${service.namespace}/${service.meta.name}`, service]),
  );
  const services = [...ofCluster, ...claims.map(serviceOfClaim)];
  const policiesOf = (meta: ObjectMeta, memberOf: readonly MeshService[]): readonly string[] =>
    policyKeysOf(meta, memberOf, policies, derivation);
  const workloads = [
    ...workloadsOfPods(derivation, services, byName, policiesOf),
    ...derivation.resources.workloadEntries.flatMap((entry) => {
      const { namespace } = entry.object.metadata;
      const memberOf = services.filter((service) => selects(service, namespace, entry.labels));
      const meta = { ...entry.object.metadata, labels: entry.labels };
      return workloadFromWorkloadEntry(entry, memberOf, policiesOf(meta, memberOf), derivation) ?? [];
    }),
    ...workloadsOfServiceEntries(derivation, claims, policiesOf),
    ...workloadsOfSlices(derivation, byName),
    ...derivation.networkGateways.map((gateway) => workloadOfNetworkGateway(gateway, derivation.settings.trustDomain)),
  ];
  return workloads.sort((a, b) => (a.uid < b.uid ? -1 : 1));
}

/** Kubernetes Services by `<namespace>/<name>`. */
type ServicesByName = ReadonlyMap<string, MeshService>;

type PoliciesOf = (meta: ObjectMeta, memberOf: readonly MeshService[]) => readonly string[];

function workloadsOfPods(
  derivation: Derivation,
  services: readonly MeshService[],
  byName: ServicesByName,
  policiesOf: PoliciesOf,
): readonly Workload[] {
  const bySlice = servicesByPod(derivation, byName);
  const inNamespace = Map.groupBy(services, ({ namespace }) => namespace);
  return derivation.resources.pods.flatMap((pod) => {
    const meta = pod.object.metadata;
    const selected = (inNamespace.get(meta.namespace) ?? []).filter((service) =>
      selects(service, meta.namespace, meta.labels),
    );
    const memberOf = [...selected, ...(bySlice.get(`${meta.namespace}/${meta.name}`) ?? [])];
    return workloadFromPod(pod, memberOf, policiesOf(meta, memberOf), derivation) ?? [];
  });
}

/** Services without a selector, by the pods that their slices name. */
function servicesByPod(derivation: Derivation, byName: ServicesByName): Map<string, Set<MeshService>> {
  const found = new Map<string, Set<MeshService>>();
  for (const slice of derivation.resources.endpointSlices) {
    const service = byName.get(`${slice.object.metadata.namespace}/${slice.serviceName}`);
    if (service === undefined || Object.keys(service.selector).length > 0) continue;
    for (const { target } of slice.endpoints) {
      if (target?.kind !== 'Pod') continue;
      const key = `${target.namespace || service.namespace}/${target.name}`;
      found.set(key, (found.get(key) ?? new Set()).add(service));
    }
  }
  return found;
}

function workloadsOfServiceEntries(
  derivation: Derivation,
  claims: readonly EntryClaim[],
  policiesOf: PoliciesOf,
): readonly Workload[] {
  return [...Map.groupBy(claims, ({ entry }) => entry)].flatMap(([entry, own]) => {
    const meta = entry.object.metadata;
    return endpointsOf(entry, own).flatMap(([endpoint, served]) => {
      const memberOf = served.map(serviceOfClaim);
      return workloadFromEntryEndpoint(entry, endpoint, memberOf, policiesOf(meta, memberOf), derivation) ?? [];
    });
  });
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

function workloadsOfSlices(derivation: Derivation, byName: ServicesByName): readonly Workload[] {
  return derivation.resources.endpointSlices.flatMap((slice) => {
    const service = byName.get(`${slice.object.metadata.namespace}/${slice.serviceName}`);
    return service === undefined ? [] : workloadsFromEndpointSlice(slice, service, derivation);
  });
}

function policyKeysOf(
  meta: ObjectMeta,
  memberOf: readonly MeshService[],
  policies: readonly SelectingPolicy[],
  derivation: Derivation,
): readonly string[] {
  const { rootNamespace, waypointAdmission } = derivation.settings;
  const selected = policies
    .filter(({ namespace }) => namespace === meta.namespace || namespace === rootNamespace)
    .filter(({ labels }) => isSubset(labels, meta.labels))
    .map(({ key }) => key)
    .sort();
  const all = derivation.resources.peerAuthentications;
  const byPeer = peerAuthenticationKeys(meta.namespace, meta.labels, { all, rootNamespace });
  if (waypointAdmission !== 'automatic') return [...selected, ...byPeer];
  return [...selected, ...byPeer, ...waypointPolicyKeys(waypointsBefore(meta, memberOf, derivation), derivation)];
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

function servicesOf(derivation: Derivation): readonly MeshService[] {
  return derivation.resources.services
    .filter(({ isExternalName }) => !isExternalName)
    .map((service) => ({
      key: `${service.object.metadata.namespace}/${hostnameOfService(service.object.metadata, derivation)}`,
      namespace: service.object.metadata.namespace,
      selector: service.selector,
      origin: 'service',
      meta: service.object.metadata,
      ports: service.ports.map(({ name, port, targetPort }) => ({ name, servicePort: port, targetPort })),
    }));
}

function serviceOfClaim({ entry, service }: EntryClaim): MeshService {
  return {
    key: `${service.namespace}/${service.hostname}`,
    namespace: service.namespace,
    selector: entry.workloadSelector ?? {},
    origin: 'service-entry',
    meta: entry.object.metadata,
    ports: entry.ports.map(({ name, number, targetPort }) => ({
      name,
      servicePort: number,
      targetPort: { kind: 'number', port: targetPort ?? number },
    })),
  };
}
