// The address behind a name that a pod's program gave to the explicit entry, by the mesh's services, as the pod's DNS
// would answer: short names in the pod's namespace, `svc.ns`, and whole names (ztunnel.md §9). Names in, address out.
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import type { Service } from '../../common/mesh/service.ts';
import type { IpAddress } from '../../common/net/address.ts';

export interface NameQuery {
  readonly mesh: MeshView;
  /** Lower case, without a final dot. */
  readonly hostname: string;
  readonly clientNamespace: string;
  readonly network: string;
  readonly clusterDomain: string;
  /** In [0, 1): which endpoint of a headless service. */
  readonly random: number;
}

export type NameAnswer =
  | { readonly kind: 'address'; readonly ip: IpAddress }
  /** The name is a service's, but there is nowhere to go. */
  | { readonly kind: 'no-address'; readonly service: Service }
  /** Not of the mesh. */
  | { readonly kind: 'unknown' };

export function resolveName(query: NameQuery): NameAnswer {
  const { mesh, clientNamespace, network } = query;
  for (const candidate of candidateNames(query)) {
    const service = mesh.serviceByHostname(candidate, clientNamespace);
    if (service === undefined) continue;
    const virtual = service.addresses.find((a) => a.network === network && a.prefixLength === undefined);
    const ip = virtual?.ip ?? pickEndpointAddress(query, service);
    return ip === undefined ? { kind: 'no-address', service } : { kind: 'address', ip };
  }
  return { kind: 'unknown' };
}

/** The name itself, then what Kubernetes' search domains make of it, then wildcards of service entries. */
function candidateNames({ hostname, clientNamespace, clusterDomain }: NameQuery): readonly string[] {
  const searched = [`${clientNamespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
  const labels = hostname.split('.');
  const wildcards = labels.slice(1, -1).map((_, index) => `*.${labels.slice(index + 1).join('.')}`);
  return [hostname, ...searched.map((domain) => `${hostname}.${domain}`), ...wildcards];
}

function pickEndpointAddress({ mesh, random }: NameQuery, service: Service): IpAddress | undefined {
  const addresses = mesh.endpointsOf(service).flatMap(({ workload }) => workload.addresses.slice(0, 1));
  return addresses[Math.floor(random * addresses.length)];
}
