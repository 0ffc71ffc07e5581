// Decides which endpoint takes a request or connection: one of the service that was asked, or that a route names, or the workload itself; and
// how it is reached. In: the target, the mesh, who we are, a number in [0, 1). Out: the endpoint, or why there is none. Source: ztunnel.md §4.4 step 8.
import type { Identity } from '../../common/identity/identity.ts';
import { chooseAddress } from '../../common/mesh/choose-address.ts';
import { type DirectProtocol, directProtocol } from '../../common/mesh/direct-protocol.ts';
import { expectedIdentities } from '../../common/mesh/expected-identities.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import { pickEndpoint } from '../../common/mesh/pick-endpoint.ts';
import { type Service, serviceKey } from '../../common/mesh/service.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import { hasLabels } from '../../common/mesh/workload-label.ts';
import { formatSocketAddress, type SocketAddress } from '../../common/net/address.ts';
import type { ServedTarget } from '../served-target.ts';

export interface UpstreamEndpoint {
  readonly workload: Workload;
  readonly service: Service | undefined;
  /** The workload's own address and port: authority of the CONNECT, or what is dialled. */
  readonly address: SocketAddress;
  readonly via: DirectProtocol;
  readonly expected: readonly Identity[];
  /** Equal for endpoints that may share connections. */
  readonly key: string;
}

export type UpstreamChoice =
  | { readonly kind: 'endpoint'; readonly endpoint: UpstreamEndpoint }
  | { readonly kind: 'none'; readonly detail: string };

/** What a route names instead of the service that was asked. */
export interface UpstreamBackend {
  readonly service: Service;
  readonly servicePort: number;
  /** Only endpoints with these labels. */
  readonly subset: { readonly name: string; readonly labels: Readonly<Record<string, string>> } | undefined;
}

export function chooseUpstream(
  mesh: MeshView,
  target: ServedTarget,
  self: Workload,
  random: number,
  backend?: UpstreamBackend,
): UpstreamChoice {
  if (target.kind === 'workload') return endpointOf(target.workload, undefined, target.address, random);
  const { service, servicePort, subset } = backend ?? { ...target, subset: undefined };
  const all = mesh.endpointsOf(service);
  const endpoints = subset === undefined ? all : all.filter(({ workload }) => hasLabels(workload, subset.labels));
  if (subset !== undefined && endpoints.length === 0 && all.length > 0) {
    const labels = Object.entries(subset.labels).map(([name, value]) => `${name}=${value}`);
    const which = `${all.length} endpoints of service ${serviceKey(service)}`;
    return { kind: 'none', detail: `none of the ${which} is of subset ${subset.name} (${labels.join(', ')})` };
  }
  const choice = pickEndpoint({ service, servicePort, endpoints, source: self, resolution: 'service', random });
  if (choice.kind === 'none') return choice;
  const { endpoint, targetPort } = choice;
  return endpointOf(endpoint.workload, service, { ip: target.address.ip, port: targetPort }, choice.random);
}

function endpointOf(
  workload: Workload,
  service: Service | undefined,
  dialled: SocketAddress,
  random: number,
): UpstreamChoice {
  const choice = chooseAddress({ workload, service, original: dialled.ip, resolved: new Map(), random });
  if (choice.kind !== 'ip') {
    const detail = choice.kind === 'none' ? choice.detail : `workload ${workload.uid} is known by its hostname only`;
    return { kind: 'none', detail };
  }
  const address = { ip: choice.ip, port: dialled.port };
  const via = directProtocol(workload, address.port);
  const expected = expectedIdentities(workload, service);
  const key = `${via}|${formatSocketAddress(address)}|${workload.uid}|${expected.map(({ uri }) => uri).join()}`;
  return { kind: 'endpoint', endpoint: { workload, service, address, via, expected, key } };
}
