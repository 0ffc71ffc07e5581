// Pod → workload. Undefined for a pod that has ended or has no address yet. Source: istio-control.md §3.3.
import type { Workload, WorkloadUid } from '../../mesh/workload.ts';
import type { Pod } from '../kinds/pod.ts';
import { canonicalNameOf } from './canonical-name.ts';
import { type Derivation, networkGatewayFor } from './derivation.ts';
import { emptyWorkload } from './empty-workload.ts';
import { localityOfNode } from './locality.ts';
import { membershipOf, podPortResolver, type SelectingService } from './membership.ts';
import { tunnelProtocolOf } from './tunnel-protocol.ts';
import { waypointOrInstance } from './waypoint-or-instance.ts';
import { workloadNameOf } from './workload-name.ts';

/** @param services those the pod belongs to */
export function workloadFromPod(
  pod: Pod,
  services: readonly SelectingService[],
  authorizationPolicies: readonly string[],
  derivation: Derivation,
): Workload | undefined {
  if (pod.phase === 'Succeeded' || pod.phase === 'Failed' || pod.addresses.length === 0) return undefined;
  const { settings, network } = derivation;
  const meta = pod.object.metadata;
  const workloadName = workloadNameOf(meta);
  const uid = `${settings.clusterId}//Pod/${meta.namespace}/${meta.name}`;
  return {
    ...emptyWorkload,
    ...canonicalNameOf(meta.labels, workloadName),
    ...tunnelProtocolOf(meta.labels, meta.annotations),
    ...waypointOrInstance(meta, derivation),
    uid: uid as WorkloadUid,
    name: meta.name,
    namespace: meta.namespace,
    addresses: pod.addresses,
    network,
    networkGateway: networkGatewayFor(network, derivation),
    trustDomain: settings.trustDomain,
    serviceAccount: pod.serviceAccount,
    node: pod.node,
    workloadType: 'pod',
    workloadName,
    services: membershipOf(services, podPortResolver(pod.ports)),
    authorizationPolicies,
    status: pod.ready && meta.deletionTimestamp === '' ? 'healthy' : 'unhealthy',
    clusterId: settings.clusterId,
    locality: localityOfNode(derivation.nodes.get(pod.node)?.labels),
    networkMode: pod.hostNetwork ? 'host-network' : 'standard',
    labels: meta.labels,
  };
}
