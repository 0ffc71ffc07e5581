// Where a connection that a pod opens goes: to the destination or its waypoint over HBONE, to its sidecar in mutual TLS, to it in plain
// text, straight on, or nowhere. In: what the pod dialled, who it is, the mesh, a number in [0, 1). Out: the route.
// A waypoint that cannot be found refuses the connection; nothing goes round it. Source: ztunnel.md §4.4, step by step.
import type { MeshErrorCode } from '../../common/errors.ts';
import type { Identity } from '../../common/identity/identity.ts';
import { chooseAddress, type ResolvedHosts } from '../../common/mesh/choose-address.ts';
import { directProtocol } from '../../common/mesh/direct-protocol.ts';
import { expectedIdentities } from '../../common/mesh/expected-identities.ts';
import { findAddress, findUpstream, isGatewayInstance } from '../../common/mesh/find-destination.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import { pickWeighted } from '../../common/mesh/pick-weighted.ts';
import { resolveWaypoint } from '../../common/mesh/resolve-waypoint.ts';
import { type Service, serviceKey } from '../../common/mesh/service.ts';
import type { GatewayAddress, Workload } from '../../common/mesh/workload.ts';
import { formatSocketAddress, isLoopback, type SocketAddress } from '../../common/net/address.ts';
import { describeSelfCall, type IllegalPorts } from '../illegal-ports.ts';

export interface OutboundFacts {
  readonly originalDestination: SocketAddress;
  /** The pod that dials, by what its node knows of it, never by its address. */
  readonly source: Workload;
  readonly mesh: MeshView;
  /** The network of this proxy. */
  readonly network: string;
  readonly illegalPorts: IllegalPorts;
  /** In [0, 1), a new one for each connection, the same one when asked again after `resolve`. */
  readonly random: number;
  /** Addresses of names that an earlier answer asked for; empty at first. */
  readonly resolved: ResolvedHosts;
}

export type OutboundRoute =
  | {
      readonly kind: 'hbone';
      readonly via: 'destination' | 'waypoint';
      /** Where the tunnel goes, and who is there: the waypoint, or the destination itself. */
      readonly nextHop: SocketAddress;
      readonly nextHopWorkload: Workload;
      readonly authority: string;
      readonly expected: readonly Identity[];
      /** The service that was addressed, if one was. */
      readonly service: Service | undefined;
    }
  /** In mutual TLS to the application's own port, where a sidecar takes it. */
  | {
      readonly kind: 'sidecar';
      readonly to: SocketAddress;
      readonly workload: Workload;
      readonly expected: readonly Identity[];
      readonly service: Service | undefined;
    }
  | {
      readonly kind: 'plain';
      readonly to: SocketAddress;
      readonly workload: Workload;
      readonly service: Service | undefined;
    }
  /** Not of the mesh: as it was dialled; telemetry knows nobody there. */
  | { readonly kind: 'passthrough'; readonly to: SocketAddress }
  /** Look this name up, then decide again with the answer in `resolved` (empty list: it has no address). */
  | { readonly kind: 'resolve'; readonly hostname: string }
  | { readonly kind: 'reject'; readonly code: MeshErrorCode; readonly detail: string };

const hbonePort = 15008;

export function decideOutboundRoute(facts: OutboundFacts): OutboundRoute {
  const { originalDestination, source, mesh, network } = facts;
  if (isLoopback(originalDestination.ip) && facts.illegalPorts.has(originalDestination.port)) {
    return reject('SELF_CALL', describeSelfCall(originalDestination));
  }
  const addressed = findAddress(mesh, network, originalDestination.ip, source.namespace);
  const service = addressed?.kind === 'service' ? addressed.service : undefined;
  const pick = service && pickWaypoint(service, facts.random);
  if (service && pick?.reference) return routeToWaypoint(facts, pick.reference, service, pick.random);

  const upstream = findUpstream({
    mesh,
    network: source.network,
    destination: originalDestination,
    clientNamespace: source.namespace,
    source,
    resolution: 'service',
    random: pick?.random ?? facts.random,
  });
  if (upstream.kind === 'no-endpoint') return rejectUnhealthy(originalDestination, upstream.detail);
  if (upstream.kind === 'workload') return routeToWorkload(facts, upstream);
  if (upstream.kind === 'unknown' && service !== undefined && service.loadBalancing?.mode !== 'passthrough') {
    const networks = `network "${source.network}" of the client, only in "${network}" of this proxy`;
    return rejectUnhealthy(originalDestination, `service ${serviceKey(service)} has no such address in ${networks}`);
  }
  return { kind: 'passthrough', to: originalDestination };
}

/** What was dialled leads to this workload: directly, or through the service that it was picked from. */
function routeToWorkload(
  facts: OutboundFacts,
  upstream: {
    readonly workload: Workload;
    readonly port: number;
    readonly service: Service | undefined;
    readonly random: number;
  },
): OutboundRoute {
  const { mesh, source, originalDestination } = facts;
  const { workload, service, port } = upstream;
  if (workload.network !== source.network) return rejectRemote(workload, source);
  // Only traffic to the workload's own address goes to the workload's waypoint, and not when it comes from there. The
  // source is known from its node, so that being an instance of the waypoint stands for its identity and address.
  if (service === undefined && workload.waypoint !== undefined) {
    const fromWaypoint = isGatewayInstance(mesh, workload.waypoint, source);
    if (!fromWaypoint) return routeToWaypoint(facts, workload.waypoint, undefined, upstream.random);
  }
  const choice = chooseAddress({
    workload,
    service,
    original: originalDestination.ip,
    resolved: facts.resolved,
    random: upstream.random,
  });
  if (choice.kind === 'resolve') return choice;
  if (choice.kind === 'none') return reject('NO_ROUTE', choice.detail);
  const target: SocketAddress = { ip: choice.ip, port };
  return directRoute(workload, service, target);
}

function directRoute(workload: Workload, service: Service | undefined, to: SocketAddress): OutboundRoute {
  switch (directProtocol(workload, to.port)) {
    case 'hbone':
      return {
        kind: 'hbone',
        via: 'destination',
        nextHop: { ip: to.ip, port: hbonePort },
        nextHopWorkload: workload,
        authority: formatSocketAddress(to),
        expected: expectedIdentities(workload, service),
        service,
      };
    case 'sidecar':
      return { kind: 'sidecar', to, workload, expected: expectedIdentities(workload, service), service };
    case 'plain':
      return { kind: 'plain', to, workload, service };
  }
}

function routeToWaypoint(
  facts: OutboundFacts,
  reference: GatewayAddress,
  service: Service | undefined,
  random: number,
): OutboundRoute {
  const { mesh, source, originalDestination, resolved } = facts;
  const waypoint = resolveWaypoint({
    mesh,
    reference,
    source,
    originalDestination: originalDestination.ip,
    resolved,
    random,
  });
  switch (waypoint.kind) {
    case 'resolve':
      return waypoint;
    case 'missing':
      return reject('WAYPOINT_UNKNOWN', waypoint.detail);
    case 'remote':
      return rejectRemote(waypoint.workload, source);
    case 'found':
      return {
        kind: 'hbone',
        via: 'waypoint',
        nextHop: waypoint.address,
        nextHopWorkload: waypoint.workload,
        authority: formatSocketAddress(originalDestination),
        expected: expectedIdentities(waypoint.workload, waypoint.service),
        service,
      };
  }
}

/** One of the weighted waypoints, else the waypoint; `random` is for the next choice. */
function pickWaypoint(
  service: Service,
  random: number,
): { readonly reference: GatewayAddress | undefined; readonly random: number } {
  const pick = pickWeighted(service.weightedWaypoints, (waypoint) => waypoint.weight, random);
  if (pick === undefined) return { reference: service.waypoint, random };
  return { reference: pick.item.destination, random: pick.random };
}

function rejectUnhealthy(destination: SocketAddress, why: string): OutboundRoute {
  return reject('NO_HEALTHY_UPSTREAM', `no healthy upstream: ${formatSocketAddress(destination)}: ${why}`);
}

function rejectRemote(workload: Workload, source: Workload): OutboundRoute {
  return reject(
    'NO_ROUTE',
    `no valid routing destination for workload: ${workload.uid} is in network "${workload.network}", ` +
      `the client is in "${source.network}", and connections between networks are not supported`,
  );
}

function reject(code: MeshErrorCode, detail: string): OutboundRoute {
  return { kind: 'reject', code, detail };
}
