// Load balancing: which endpoint of a service takes a new connection, and on which port. In: the service, its endpoints
// (`MeshView.endpointsOf`), who asks, a number in [0, 1). Out: the endpoint and port, or why there is none.
// Source: ztunnel.md §4.2.
import type { Endpoint } from './mesh-view.ts';
import { pickWeighted } from './pick-weighted.ts';
import { type LoadBalancing, type LoadBalancingScope, type Service, serviceKey } from './service.ts';
import type { ServicePort, Workload } from './workload.ts';

export interface EndpointQuery {
  readonly service: Service;
  readonly servicePort: number;
  readonly endpoints: readonly Endpoint[];
  /** Whose network and locality count. */
  readonly source: Workload;
  /** A waypoint behind an application tunnel need not have its HBONE port on its service. */
  readonly resolution: 'service' | 'waypoint';
  readonly random: number;
}

export type EndpointChoice =
  | {
      readonly kind: 'picked';
      readonly endpoint: Endpoint;
      readonly targetPort: number;
      /** Independent of this choice, for the next one. */
      readonly random: number;
    }
  | { readonly kind: 'none'; readonly detail: string };

interface Candidate {
  readonly endpoint: Endpoint;
  readonly targetPort: number;
}

export function pickEndpoint(query: EndpointQuery): EndpointChoice {
  const { service, servicePort, endpoints, resolution } = query;
  if (resolution === 'service' && portOf(service.ports, servicePort) === undefined) {
    return none(`${named(service)} has no port ${servicePort}; it has ${listPorts(service.ports)}`);
  }
  if (endpoints.length === 0)
    return none(`${named(service)} has no healthy endpoint; see that its pods exist and are ready`);
  const candidates: Candidate[] = [];
  for (const endpoint of endpoints) {
    const targetPort = targetPortOf(service, endpoint, servicePort, resolution);
    if (targetPort !== undefined && isReachable(endpoint.workload, query.source)) {
      candidates.push({ endpoint, targetPort });
    }
  }
  if (candidates.length === 0) {
    return none(
      `none of the ${endpoints.length} endpoints of ${named(service)} has an address and a target for ${servicePort}`,
    );
  }
  const nearest = keepNearest(candidates, service.loadBalancing, query.source);
  if (nearest.length === 0) {
    const wanted = service.loadBalancing?.routingPreference.join(', ');
    return none(
      `none of the ${candidates.length} endpoints of ${named(service)} is in the client's ${wanted} (mode strict)`,
    );
  }
  const pick = pickWeighted(nearest, (candidate) => candidate.endpoint.workload.capacity, query.random);
  if (pick === undefined)
    return none(`the ${nearest.length} nearest endpoints of ${named(service)} all have capacity 0`);
  return { kind: 'picked', ...pick.item, random: pick.random };
}

/** The endpoint's own mapping, else the service's number; undefined where the endpoint does not serve that port. */
export function targetPortOf(
  service: Service,
  endpoint: { readonly ports: readonly ServicePort[]; readonly workload: Workload },
  servicePort: number,
  resolution: EndpointQuery['resolution'],
): number | undefined {
  const own = portOf(endpoint.ports, servicePort)?.targetPort ?? 0;
  const common = portOf(service.ports, servicePort)?.targetPort ?? 0;
  if (own > 0) return own;
  if (common > 0) return common;
  const tunnel = endpoint.workload.applicationTunnel;
  return resolution === 'waypoint' && tunnel !== undefined && tunnel.port > 0 ? servicePort : undefined;
}

/** A workload without any address is reached only through the gateway of another network. */
function isReachable(workload: Workload, source: Workload): boolean {
  if (workload.addresses.length > 0 || workload.hostname !== '') return true;
  return workload.networkGateway !== undefined && workload.network !== source.network;
}

function keepNearest(
  candidates: readonly Candidate[],
  loadBalancing: LoadBalancing | undefined,
  source: Workload,
): readonly Candidate[] {
  if (loadBalancing === undefined || loadBalancing.mode === 'standard') return candidates;
  const { mode, routingPreference } = loadBalancing;
  let best = 0;
  let nearest: Candidate[] = [];
  for (const candidate of candidates) {
    const { workload } = candidate.endpoint;
    if (mode === 'strict' && !routingPreference.every((scope) => isSame(scope, source, workload))) continue;
    const rank = rankOf(routingPreference, source, workload);
    if (rank > best) nearest = [];
    best = Math.max(best, rank);
    if (rank === best) nearest.push(candidate);
  }
  return nearest;
}

/**
 * How many scopes agree before the first that differs. A preference that begins with the network is special: a foreign
 * network does not end the comparison, but the own network outranks everything that follows.
 */
function rankOf(scopes: readonly LoadBalancingScope[], source: Workload, workload: Workload): number {
  let rank = 0;
  for (const [index, scope] of scopes.entries()) {
    const networkFirst = index === 0 && scope === 'network';
    if (isSame(scope, source, workload)) rank += networkFirst ? scopes.length : 1;
    else if (!networkFirst) break;
  }
  return rank;
}

function isSame(scope: LoadBalancingScope, a: Workload, b: Workload): boolean {
  switch (scope) {
    case 'region':
      return (a.locality?.region ?? '') === (b.locality?.region ?? '');
    case 'zone':
      return (a.locality?.zone ?? '') === (b.locality?.zone ?? '');
    case 'subzone':
      return (a.locality?.subzone ?? '') === (b.locality?.subzone ?? '');
    case 'node':
      return a.node === b.node;
    case 'cluster':
      return a.clusterId === b.clusterId;
    case 'network':
      return a.network === b.network;
  }
}

function portOf(ports: readonly ServicePort[], servicePort: number): ServicePort | undefined {
  for (const port of ports) if (port.servicePort === servicePort) return port;
  return undefined;
}

function named(service: Service): string {
  return `service ${serviceKey(service)}`;
}

function listPorts(ports: readonly ServicePort[]): string {
  if (ports.length === 0) return 'none';
  const shown = ports.slice(0, 10).map((port) => port.servicePort);
  return shown.join(', ') + (ports.length > shown.length ? ` and ${ports.length - shown.length} more` : '');
}

function none(detail: string): EndpointChoice {
  return { kind: 'none', detail };
}
