// What the mesh answers to a name: which service it means for this client, and with which addresses. Pure: a mesh, a
// client and a name in, records or the advice to ask elsewhere out. Source: ztunnel.md §9.
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import type { Service } from '../../common/mesh/service.ts';
import type { NetworkAddress, Workload } from '../../common/mesh/workload.ts';
import { type IpAddress, ipFamily } from '../../common/net/address.ts';
import { bitsOf } from '../../common/net/cidr.ts';
import { type Alias, type NameScope, nameAliases, wildcardsOf } from './name-aliases.ts';

export type AddressType = 'A' | 'AAAA';

export interface LookUpScope extends NameScope {
  /** Wins over the first service of a name, not over the client's own namespace nor a canonical one. */
  readonly preferredNamespace: string | undefined;
  readonly ipv6: 'on' | 'off';
}

export interface NameQuestion {
  readonly mesh: Pick<MeshView, 'servicesByHostname' | 'endpointsOf'>;
  readonly client: Pick<Workload, 'namespace' | 'network'>;
  /** Lower case, without a final dot; '' is the root. */
  readonly name: string;
  readonly type: AddressType;
  readonly scope: LookUpScope;
}

export type NameLookUp =
  | {
      readonly kind: 'addresses';
      readonly service: Service;
      /** Not empty; each once. */
      readonly addresses: readonly IpAddress[];
      /** The name the addresses belong to, where it is not the one that was asked for. */
      readonly canonicalName: string | undefined;
    }
  /** The name is a service's, which has none of this type. */
  | { readonly kind: 'no-address'; readonly service: Service; readonly reason: 'none' | 'family' }
  /** Not of the mesh. */
  | { readonly kind: 'unknown' };

export function lookUpName(question: NameQuestion): NameLookUp {
  const match = question.name === '' ? undefined : findService(question);
  if (match === undefined) return { kind: 'unknown' };
  const { service, alias, hostname } = match;
  const { mesh, client, type, scope } = question;
  if (!isFamilyServed(service, type, scope)) return { kind: 'no-address', service, reason: 'family' };
  const family = type === 'A' ? 4 : 6;
  const virtual = virtualAddresses(service);
  const found =
    virtual.length > 0
      ? virtual.flatMap(({ network, ip }) => (network === client.network && ipFamily(ip) === family ? [ip] : []))
      : mesh
          .endpointsOf(service)
          .flatMap(({ workload }) => workload.addresses.find((ip) => ipFamily(ip) === family) ?? []);
  if (found.length === 0) return { kind: 'no-address', service, reason: 'none' };
  // What a wildcard stands for has no name of its own.
  const canonicalName = hostname.startsWith('*.') ? undefined : alias.stripped;
  return { kind: 'addresses', service, addresses: [...new Set(found)], canonicalName };
}

interface ServiceMatch {
  readonly service: Service;
  readonly alias: Alias;
  /** As the mesh has it. */
  readonly hostname: string;
}

function findService({ mesh, client, name, scope }: NameQuestion): ServiceMatch | undefined {
  for (const alias of nameAliases(name, client.namespace, scope)) {
    for (const hostname of wildcardsOf(alias.name)) {
      const service = chooseService(mesh.servicesByHostname(hostname), client.namespace, scope);
      if (service !== undefined) return { service, alias, hostname };
    }
  }
  return undefined;
}

/** The visible one of the client's namespace, else a canonical one, else one of the preferred namespace, else the first. */
function chooseService(
  services: readonly Service[],
  clientNamespace: string,
  { clusterDomain, preferredNamespace }: LookUpScope,
): Service | undefined {
  // Without virtual addresses only Kubernetes' own services stand for their endpoints; others have an address in real DNS.
  const candidates = services.filter(
    (service) =>
      (service.visibility === 'public' || service.namespace === clientNamespace) &&
      (virtualAddresses(service).length > 0 || service.hostname.endsWith(`.svc.${clusterDomain}`)),
  );
  return (
    candidates.find(({ namespace }) => namespace === clientNamespace) ??
    candidates.find(({ canonical }) => canonical) ??
    candidates.find(({ namespace }) => namespace === preferredNamespace) ??
    candidates[0]
  );
}

/** A range is no address to connect to. */
function virtualAddresses({ addresses }: Service): readonly NetworkAddress[] {
  return addresses.filter(({ ip, prefixLength }) => prefixLength === undefined || prefixLength >= bitsOf(ip));
}

function isFamilyServed({ ipFamilies }: Service, type: AddressType, { ipv6 }: LookUpScope): boolean {
  return type === 'A' ? ipFamilies !== 'ipv6' : ipFamilies !== 'ipv4' && ipv6 === 'on';
}
