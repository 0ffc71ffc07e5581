// Who stands behind an address. Two orders, as ztunnel has them: who was addressed (a workload's own address comes first),
// and where the connection goes (a service's virtual address comes first). Source: ztunnel.md §4.1, §4.4.
import { formatSocketAddress, type IpAddress, type SocketAddress } from '../net/address.ts';
import type { MeshView } from './mesh-view.ts';
import { type EndpointQuery, pickEndpoint } from './pick-endpoint.ts';
import { type Service, serviceKey } from './service.ts';
import type { GatewayAddress, Workload } from './workload.ts';

export type Destination =
  | { readonly kind: 'workload'; readonly workload: Workload }
  | { readonly kind: 'service'; readonly service: Service };

export interface UpstreamQuery {
  readonly mesh: MeshView;
  readonly network: string;
  readonly destination: SocketAddress;
  /** Visibility and ranking of services; undefined: no filter. */
  readonly clientNamespace: string | undefined;
  readonly source: Workload;
  readonly resolution: EndpointQuery['resolution'];
  readonly random: number;
}

export type EndpointUpstream =
  | {
      readonly kind: 'workload';
      readonly workload: Workload;
      readonly port: number;
      /** Through which it was reached, if through one. */
      readonly service: Service | undefined;
      /** Independent of the choices made so far. */
      readonly random: number;
    }
  | { readonly kind: 'no-endpoint'; readonly service: Service; readonly detail: string };

export type Upstream =
  | EndpointUpstream
  /** The service wants its clients to go where they dialled. */
  | { readonly kind: 'original-destination'; readonly service: Service }
  | { readonly kind: 'unknown' };

export function findAddress(
  mesh: MeshView,
  network: string,
  ip: IpAddress,
  clientNamespace: string | undefined,
): Destination | undefined {
  const workload = mesh.workloadByAddress(network, ip);
  if (workload !== undefined) return { kind: 'workload', workload };
  const service = mesh.serviceByAddress(network, ip, clientNamespace);
  return service && { kind: 'service', service };
}

export function findUpstream(query: UpstreamQuery): Upstream {
  const { mesh, network, destination, random } = query;
  const service = mesh.serviceByAddress(network, destination.ip, query.clientNamespace);
  if (service?.loadBalancing?.mode === 'passthrough') return { kind: 'original-destination', service };
  if (service !== undefined) return findEndpoint(query, service, destination.port);
  const workload = mesh.workloadByAddress(network, destination.ip);
  if (workload === undefined) return { kind: 'unknown' };
  return { kind: 'workload', workload, port: destination.port, service: undefined, random };
}

export function findEndpoint(
  query: Pick<UpstreamQuery, 'mesh' | 'source' | 'resolution' | 'random'>,
  service: Service,
  servicePort: number,
): EndpointUpstream {
  const { mesh, source, resolution, random } = query;
  const endpoints = mesh.endpointsOf(service);
  const choice = pickEndpoint({ service, servicePort, endpoints, source, resolution, random });
  if (choice.kind === 'none') return { kind: 'no-endpoint', service, detail: choice.detail };
  return {
    kind: 'workload',
    workload: choice.endpoint.workload,
    port: choice.targetPort,
    service,
    random: choice.random,
  };
}

/** The service or workload that a waypoint or gateway reference names, services first, whoever asks. */
export function findGateway(mesh: MeshView, reference: GatewayAddress): Destination | undefined {
  if (reference.kind === 'hostname') {
    const service = mesh.serviceByKey(reference.hostname);
    if (service !== undefined) return { kind: 'service', service };
    const workload = mesh.workloadByHostname(reference.hostname);
    return workload && { kind: 'workload', workload };
  }
  const { network, ip } = reference.address;
  const service = mesh.serviceByAddress(network, ip, undefined);
  if (service !== undefined) return { kind: 'service', service };
  const workload = mesh.workloadByAddress(network, ip);
  return workload && { kind: 'workload', workload };
}

/** Whether this workload is the gateway that the reference names, or one of its instances, ready or not. */
export function isGatewayInstance(mesh: MeshView, reference: GatewayAddress, workload: Workload): boolean {
  const gateway = findGateway(mesh, reference);
  if (gateway?.kind === 'service') return workload.services.has(serviceKey(gateway.service));
  return gateway?.workload.uid === workload.uid;
}

/** `<namespace>/<hostname>:<port>`, `<ip>:<port>` or `<network>/<ip>:<port>`, for people. */
export function formatGatewayAddress(reference: GatewayAddress): string {
  if (reference.kind === 'hostname') return `${serviceKey(reference.hostname)}:${reference.hboneMtlsPort}`;
  const { network, ip } = reference.address;
  const address = formatSocketAddress({ ip, port: reference.hboneMtlsPort });
  return network === '' ? address : `${network}/${address}`;
}
