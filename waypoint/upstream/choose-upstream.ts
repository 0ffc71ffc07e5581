// Decides where a request or connection goes: an endpoint of the service (or the workload itself) and how it is reached.
// In: the target, the mesh, who we are, a number in [0, 1). Out: the endpoint, or why there is none. Source: ztunnel.md §4.4 step 8.
import type { Identity } from '../../common/identity/identity.ts';
import { chooseAddress } from '../../common/mesh/choose-address.ts';
import { expectedIdentities } from '../../common/mesh/expected-identities.ts';
import { findEndpoint } from '../../common/mesh/find-destination.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import type { Service } from '../../common/mesh/service.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import { formatSocketAddress, type SocketAddress } from '../../common/net/address.ts';
import type { ServedTarget } from '../served-target.ts';

export interface UpstreamEndpoint {
  readonly workload: Workload;
  readonly service: Service | undefined;
  /** The workload's own address and port: authority of the CONNECT, or what is dialled. */
  readonly address: SocketAddress;
  readonly via: 'hbone' | 'plain';
  readonly expected: readonly Identity[];
  /** Equal for endpoints that may share connections. */
  readonly key: string;
}

export type UpstreamChoice =
  | { readonly kind: 'endpoint'; readonly endpoint: UpstreamEndpoint }
  | { readonly kind: 'none'; readonly detail: string };

export function chooseUpstream(mesh: MeshView, target: ServedTarget, self: Workload, random: number): UpstreamChoice {
  if (target.kind === 'workload') return endpointOf(target.workload, undefined, target.address, random);
  const { service, servicePort } = target;
  const upstream = findEndpoint({ mesh, source: self, resolution: 'service', random }, service, servicePort);
  if (upstream.kind === 'workload') {
    const { workload, port } = upstream;
    return endpointOf(workload, service, { ip: target.address.ip, port }, upstream.random);
  }
  return { kind: 'none', detail: upstream.kind === 'no-endpoint' ? upstream.detail : 'the service passes through' };
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
  const via = workload.tunnelProtocol === 'hbone' ? 'hbone' : 'plain';
  const expected = expectedIdentities(workload, service);
  const key = `${via}|${formatSocketAddress(address)}|${workload.uid}|${expected.map(({ uri }) => uri).join()}`;
  return { kind: 'endpoint', endpoint: { workload, service, address, via, expected, key } };
}
