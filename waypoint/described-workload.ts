// Workloads that the mesh does not (yet) know, made of what is said about them: the waypoint itself before its pod is seen, and
// clients that only their baggage describes. In: a few names. Out: a Workload that has no address and no service.
import type { Workload, WorkloadUid } from '../common/mesh/workload.ts';

export interface WorkloadDescription {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly trustDomain: string;
  readonly clusterId: string;
  readonly network: string;
  readonly node: string;
  readonly workloadName: string;
  readonly workloadType: Workload['workloadType'];
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly region: string;
  readonly zone: string;
}

export function describedWorkload(description: WorkloadDescription): Workload {
  const { region, zone, ...named } = description;
  return {
    ...named,
    uid: `${named.clusterId}//Pod/${named.namespace}/${named.name}` as WorkloadUid,
    addresses: [],
    hostname: '',
    tunnelProtocol: 'hbone',
    plaintextPorts: [],
    waypoint: undefined,
    networkGateway: undefined,
    nativeTunnel: true,
    applicationTunnel: undefined,
    services: new Map(),
    authorizationPolicies: [],
    status: 'healthy',
    locality: region === '' && zone === '' ? undefined : { region, zone, subzone: '' },
    networkMode: 'standard',
    capacity: 1,
  };
}
