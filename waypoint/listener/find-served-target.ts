// Decides what a CONNECT asks for, and that this waypoint serves it: it is never an open proxy. In: the authority, the mesh, who we
// are. Out: the service port or workload, or a refusal with its code. Source: waypoint-telemetry.md §8.1, ztunnel.md §4.4 and §4.5.
import type { MeshErrorCode } from '../../common/errors.ts';
import { parseAuthority } from '../../common/hbone/authority.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import { type Service, serviceKey } from '../../common/mesh/service.ts';
import type { GatewayAddress, ServicePort } from '../../common/mesh/workload.ts';
import { formatSocketAddress, type SocketAddress } from '../../common/net/address.ts';
import type { ServedTarget } from '../served-target.ts';

/** Which waypoint we are: the Gateway's name is also that of its Service. */
export interface WaypointName {
  readonly gateway: string;
  readonly namespace: string;
  readonly network: string;
}

export type TargetDecision =
  | { readonly kind: 'served'; readonly target: ServedTarget }
  | { readonly kind: 'refused'; readonly code: MeshErrorCode; readonly detail: string };

export function findServedTarget(
  mesh: MeshView,
  self: WaypointName,
  authority: string,
  clientNamespace: string | undefined,
): TargetDecision {
  const asked = parseAuthority(authority);
  if (asked === undefined) return refused('TARGET_MALFORMED', `"${authority.slice(0, 300)}" is not host:port`);
  if (asked.kind === 'address') return findByAddress(mesh, self, asked, clientNamespace);
  const { hostname, port } = asked;
  const service = mesh.serviceByHostname(hostname, clientNamespace);
  if (service === undefined) return refused('TARGET_UNKNOWN', `no service is called ${hostname}`);
  const ip = service.addresses.find(({ network }) => network === self.network)?.ip;
  if (ip === undefined) return refused('TARGET_UNKNOWN', `service ${serviceKey(service)} has no address`);
  return findInService(mesh, self, service, { ip, port });
}

function findByAddress(
  mesh: MeshView,
  self: WaypointName,
  address: SocketAddress,
  clientNamespace: string | undefined,
): TargetDecision {
  const service = mesh.serviceByAddress(self.network, address.ip, clientNamespace);
  if (service !== undefined) return findInService(mesh, self, service, address);
  const workload = mesh.workloadByAddress(self.network, address.ip);
  if (workload === undefined) {
    return refused('TARGET_UNKNOWN', `no service or workload has the address ${formatSocketAddress(address)}`);
  }
  if (!isOurs(mesh, self, workload.waypoint)) {
    return refused(
      'TARGET_NOT_HERE',
      `workload ${workload.uid} does not use waypoint ${self.namespace}/${self.gateway}`,
    );
  }
  return { kind: 'served', target: { kind: 'workload', workload, address, appProtocol: 'unknown' } };
}

function findInService(mesh: MeshView, self: WaypointName, service: Service, address: SocketAddress): TargetDecision {
  const references = [service.waypoint, ...service.weightedWaypoints.map(({ destination }) => destination)];
  if (!references.some((reference) => isOurs(mesh, self, reference))) {
    const name = `${self.namespace}/${self.gateway}`;
    return refused('TARGET_NOT_HERE', `service ${serviceKey(service)} does not use waypoint ${name}`);
  }
  const port = service.ports.find(({ servicePort }) => servicePort === address.port);
  if (port === undefined) {
    const has = listPorts(service.ports);
    return refused('TARGET_UNKNOWN', `service ${serviceKey(service)} has no port ${address.port}; it has ${has}`);
  }
  const { appProtocol, servicePort } = port;
  return { kind: 'served', target: { kind: 'service', service, servicePort, address, appProtocol } };
}

/** A reference names our Service by hostname, or by one of its addresses (a Gateway's status has both forms). */
function isOurs(mesh: MeshView, self: WaypointName, reference: GatewayAddress | undefined): boolean {
  if (reference === undefined) return false;
  const named =
    reference.kind === 'hostname'
      ? reference.hostname
      : (mesh.serviceByAddress(reference.address.network, reference.address.ip, undefined) ??
        mesh.workloadByAddress(reference.address.network, reference.address.ip));
  if (named === undefined || named.namespace !== self.namespace) return false;
  return named.hostname.startsWith(`${self.gateway}.${self.namespace}.svc.`);
}

function listPorts(ports: readonly ServicePort[]): string {
  return ports.length === 0 ? 'none' : ports.map(({ servicePort }) => servicePort).join(', ');
}

function refused(code: MeshErrorCode, detail: string): TargetDecision {
  return { kind: 'refused', code, detail };
}
