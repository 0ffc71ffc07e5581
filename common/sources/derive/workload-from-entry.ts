// WorkloadEntry and the endpoints of a ServiceEntry → workloads. A host name instead of an address is resolved by the client.
// One without an address stands in another network, behind its gateway. Source: istio-control.md §3.4, §3.5.

import type { Workload, WorkloadUid } from '../../mesh/workload.ts';
import { parseIp } from '../../net/address.ts';
import type { EntryEndpoint, ServiceEntry } from '../kinds/service-entry.ts';
import type { WorkloadEntry } from '../kinds/workload-entry.ts';
import type { ObjectMeta } from '../kubernetes-object.ts';
import { canonicalNameOf } from './canonical-name.ts';
import { type Derivation, networkGatewayFor } from './derivation.ts';
import { emptyWorkload } from './empty-workload.ts';
import { localityFromText } from './locality.ts';
import { entryPortResolver, membershipOf, type SelectingService } from './membership.ts';
import { tunnelProtocolOf } from './tunnel-protocol.ts';
import { waypointOrInstance } from './waypoint-or-instance.ts';

interface DescribedWorkload {
  readonly uid: string;
  readonly workloadName: string;
  /** Its labels say names, tunnel and policies. */
  readonly meta: ObjectMeta;
  /** Its labels say which waypoint. */
  readonly waypointMeta: ObjectMeta;
  readonly endpoint: EntryEndpoint;
}

export function workloadFromWorkloadEntry(
  entry: WorkloadEntry,
  services: readonly SelectingService[],
  authorizationPolicies: readonly string[],
  derivation: Derivation,
): Workload {
  const { name, namespace, annotations } = entry.object.metadata;
  const meta = { ...entry.object.metadata, labels: entry.labels };
  const described: DescribedWorkload = {
    uid: `${derivation.settings.clusterId}/networking.istio.io/WorkloadEntry/${namespace}/${name}`,
    workloadName:
      annotations['istio.io/autoRegistrationGroup'] || entry.labels['service.istio.io/workload-name'] || name,
    meta,
    waypointMeta: meta,
    endpoint: entry.endpoint,
  };
  return build(described, services, authorizationPolicies, derivation);
}

/** @param services those of the entry's hosts that the endpoint serves */
export function workloadFromEntryEndpoint(
  entry: ServiceEntry,
  endpoint: EntryEndpoint,
  services: readonly SelectingService[],
  authorizationPolicies: readonly string[],
  derivation: Derivation,
): Workload {
  const meta = entry.object.metadata;
  const described: DescribedWorkload = {
    uid: `${derivation.settings.clusterId}/networking.istio.io/ServiceEntry/${meta.namespace}/${meta.name}/${endpoint.address}`,
    workloadName: meta.labels['service.istio.io/workload-name'] || meta.name,
    meta,
    waypointMeta: { ...meta, labels: endpoint.labels },
    endpoint,
  };
  return build(described, services, authorizationPolicies, derivation);
}

function build(
  { uid, workloadName, meta, waypointMeta, endpoint }: DescribedWorkload,
  services: readonly SelectingService[],
  authorizationPolicies: readonly string[],
  derivation: Derivation,
): Workload {
  const { settings } = derivation;
  const ip = parseIp(endpoint.address);
  const network = endpoint.network || derivation.network;
  return {
    ...emptyWorkload,
    ...canonicalNameOf(meta.labels, workloadName),
    ...tunnelProtocolOf(meta.labels, meta.annotations),
    ...waypointOrInstance(waypointMeta, derivation),
    uid: uid as WorkloadUid,
    name: meta.name,
    namespace: meta.namespace,
    addresses: ip === undefined ? [] : [ip],
    hostname: ip === undefined ? endpoint.address : '',
    network,
    networkGateway: networkGatewayFor(network, derivation),
    trustDomain: settings.trustDomain,
    serviceAccount: endpoint.serviceAccount,
    workloadType: 'pod',
    workloadName,
    services: membershipOf(services, entryPortResolver(endpoint.ports)),
    authorizationPolicies,
    clusterId: settings.clusterId,
    locality: localityFromText(endpoint.locality),
    capacity: endpoint.weight || 1,
    labels: waypointMeta.labels,
  };
}
