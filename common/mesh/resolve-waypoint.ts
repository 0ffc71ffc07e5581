// Where the waypoint (or gateway) that a service or workload names is reached. It always speaks HBONE. When it cannot be
// found the connection fails: traffic never goes round a waypoint. Source: ztunnel.md §4.5.
import type { IpAddress, SocketAddress } from '../net/address.ts';
import { type AddressChoice, chooseAddress, type ResolvedHosts } from './choose-address.ts';
import { type EndpointUpstream, findEndpoint, findGateway, formatGatewayAddress } from './find-destination.ts';
import type { MeshView } from './mesh-view.ts';
import type { Service } from './service.ts';
import type { GatewayAddress, Workload } from './workload.ts';

export interface WaypointQuery {
  readonly mesh: MeshView;
  readonly reference: GatewayAddress;
  readonly source: Workload;
  /** Decides the address family where the reference is a name. */
  readonly originalDestination: IpAddress;
  readonly resolved: ResolvedHosts;
  readonly random: number;
}

export type WaypointResolution =
  | {
      readonly kind: 'found';
      readonly address: SocketAddress;
      readonly workload: Workload;
      readonly service: Service | undefined;
    }
  /** It is in another network: reached only through that network's gateway. */
  | { readonly kind: 'remote'; readonly workload: Workload; readonly service: Service | undefined }
  | { readonly kind: 'resolve'; readonly hostname: string }
  | {
      readonly kind: 'missing';
      readonly reason: 'unknown' | 'no-endpoint' | 'no-address';
      readonly detail: string;
    };

export function resolveWaypoint(query: WaypointQuery): WaypointResolution {
  const { reference, source } = query;
  const upstream = findGatewayUpstream(query);
  if (upstream === undefined) {
    return missing(reference, 'unknown', 'no service or workload of that address or name is known');
  }
  if (upstream.kind === 'no-endpoint') return missing(reference, 'no-endpoint', upstream.detail);
  const { workload, service, port } = upstream;
  if (workload.network !== source.network) return { kind: 'remote', workload, service };
  const choice: AddressChoice = chooseAddress({
    workload,
    service,
    original: reference.kind === 'address' ? reference.address.ip : query.originalDestination,
    resolved: query.resolved,
    random: upstream.random,
  });
  if (choice.kind === 'resolve') return choice;
  if (choice.kind === 'none') return missing(reference, 'no-address', choice.detail);
  return { kind: 'found', address: { ip: choice.ip, port }, workload, service };
}

function findGatewayUpstream({ mesh, reference, source, random }: WaypointQuery): EndpointUpstream | undefined {
  const gateway = findGateway(mesh, reference);
  if (gateway === undefined) return undefined;
  const port = reference.hboneMtlsPort;
  if (gateway.kind === 'workload') {
    return { kind: 'workload', workload: gateway.workload, port, service: undefined, random };
  }
  return findEndpoint({ mesh, source, resolution: 'waypoint', random }, gateway.service, port);
}

function missing(
  reference: GatewayAddress,
  reason: 'unknown' | 'no-endpoint' | 'no-address',
  why: string,
): WaypointResolution {
  return { kind: 'missing', reason, detail: `unknown waypoint: ${formatGatewayAddress(reference)}: ${why}` };
}
