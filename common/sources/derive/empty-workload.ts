// A workload of which nothing is known: every field at WDS's default. Each kind of source fills in what it knows.
import type { Workload } from '../../mesh/workload.ts';

export const emptyWorkload: Omit<Workload, 'uid' | 'name' | 'namespace' | 'trustDomain'> = {
  addresses: [],
  hostname: '',
  network: '',
  tunnelProtocol: 'none',
  plaintextPorts: [],
  serviceAccount: '',
  waypoint: undefined,
  networkGateway: undefined,
  node: '',
  canonicalName: '',
  canonicalRevision: '',
  workloadType: 'deployment',
  workloadName: '',
  nativeTunnel: false,
  applicationTunnel: undefined,
  services: new Map(),
  authorizationPolicies: [],
  status: 'healthy',
  clusterId: '',
  locality: undefined,
  networkMode: 'standard',
  capacity: 1,
};
