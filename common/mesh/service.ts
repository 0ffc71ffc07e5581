// A service: a named virtual destination. The model is WDS's `istio.workload.Service` (istio-control.md §3.1).
import type { GatewayAddress, NetworkAddress, ServicePort } from './workload.ts';

export type LoadBalancingScope = 'region' | 'zone' | 'subzone' | 'node' | 'cluster' | 'network';

export interface LoadBalancing {
  readonly mode: 'standard' | 'strict' | 'failover' | 'passthrough';
  readonly routingPreference: readonly LoadBalancingScope[];
  readonly healthPolicy: 'only-healthy' | 'allow-all';
}

export interface WeightedWaypoint {
  readonly destination: GatewayAddress;
  readonly weight: number;
}

export interface Service {
  readonly name: string;
  readonly namespace: string;
  readonly hostname: string;
  /** Virtual addresses; empty for a headless service. */
  readonly addresses: readonly NetworkAddress[];
  readonly ports: readonly ServicePort[];
  readonly subjectAltNames: readonly string[];
  readonly waypoint: GatewayAddress | undefined;
  readonly weightedWaypoints: readonly WeightedWaypoint[];
  readonly loadBalancing: LoadBalancing | undefined;
  readonly ipFamilies: 'automatic' | 'ipv4' | 'ipv6' | 'dual';
  readonly canonical: boolean;
  readonly ingressUseWaypoint: boolean;
  readonly visibility: 'public' | 'namespace';
}

/** Key of a service in the index and in `Workload.services`: `<namespace>/<hostname>`. */
export function serviceKey(service: { readonly namespace: string; readonly hostname: string }): string {
  return `${service.namespace}/${service.hostname}`;
}
