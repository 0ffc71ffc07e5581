// Workloads, services and policies for tests: complete values with quiet defaults, of which a test says what it is about.
// Addresses are texts; `at` parses one or throws.
import type { AuthorizationPolicy, PolicyMatch } from '../../common/mesh/authorization-policy.ts';
import { createMeshIndex, type MeshIndex } from '../../common/mesh/mesh-index.ts';
import type { MeshSnapshot } from '../../common/mesh/mesh-source.ts';
import type { Service } from '../../common/mesh/service.ts';
import type { GatewayAddress, NetworkAddress, ServicePort, Workload, WorkloadUid } from '../../common/mesh/workload.ts';
import { type IpAddress, parseIp, parseSocketAddress, type SocketAddress } from '../../common/net/address.ts';

export function at(text: string): IpAddress {
  const ip = parseIp(text);
  if (ip === undefined) throw new Error(`${text} is no address`);
  return ip;
}

export function endAt(text: string): SocketAddress {
  const address = parseSocketAddress(text);
  if (address === undefined) throw new Error(`${text} is no socket address`);
  return address;
}

/** `10.0.0.1`, or `10.0.0.0/8` for a range; `other/10.0.0.1` is not read: give the network. */
export function vip(text: string, network = ''): NetworkAddress {
  const [ip = '', prefixLength] = text.split('/');
  return prefixLength === undefined
    ? { network, ip: at(ip) }
    : { network, ip: at(ip), prefixLength: Number(prefixLength) };
}

/** `ports(80, 8080)` is 80 → 8080, more pairs follow. */
export function ports(...pairs: number[]): ServicePort[] {
  const list: ServicePort[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    list.push({ servicePort: pairs[i] ?? 0, targetPort: pairs[i + 1] ?? 0, appProtocol: 'unknown' });
  }
  return list;
}

export function gatewayAt(text: string, hboneMtlsPort = 15008): GatewayAddress {
  return { kind: 'address', address: vip(text), hboneMtlsPort };
}

export function gatewayNamed(reference: string, hboneMtlsPort = 15008): GatewayAddress {
  const [namespace = '', hostname = ''] = reference.split('/');
  return { kind: 'hostname', hostname: { namespace, hostname }, hboneMtlsPort };
}

type Given<T, Own extends object> = Omit<Partial<T>, keyof Own> & Own;

export function aWorkload(
  given: Given<
    Workload,
    { uid?: string; addresses?: readonly string[]; services?: Record<string, readonly ServicePort[]> }
  > & { readonly name: string },
): Workload {
  const namespace = given.namespace ?? 'default';
  return {
    hostname: '',
    network: '',
    tunnelProtocol: 'hbone',
    plaintextPorts: [],
    trustDomain: 'cluster.local',
    serviceAccount: given.name,
    waypoint: undefined,
    networkGateway: undefined,
    node: '',
    canonicalName: given.name,
    canonicalRevision: 'latest',
    workloadType: 'deployment',
    workloadName: given.name,
    nativeTunnel: false,
    applicationTunnel: undefined,
    authorizationPolicies: [],
    status: 'healthy',
    clusterId: 'Kubernetes',
    locality: undefined,
    networkMode: 'standard',
    capacity: 1,
    ...given,
    namespace,
    uid: (given.uid ?? `Kubernetes//Pod/${namespace}/${given.name}`) as WorkloadUid,
    addresses: (given.addresses ?? []).map(at),
    services: new Map(Object.entries(given.services ?? {})),
  };
}

/** The hostname is `<name>.<namespace>.svc.cluster.local` unless it is given. */
export function aService(
  given: Given<Service, { addresses?: readonly (string | NetworkAddress)[] }> & { readonly name: string },
): Service {
  const namespace = given.namespace ?? 'default';
  return {
    hostname: `${given.name}.${namespace}.svc.cluster.local`,
    ports: ports(80, 8080),
    subjectAltNames: [],
    waypoint: undefined,
    weightedWaypoints: [],
    loadBalancing: undefined,
    ipFamilies: 'automatic',
    canonical: false,
    ingressUseWaypoint: false,
    visibility: 'public',
    ...given,
    namespace,
    addresses: (given.addresses ?? []).map((address) => (typeof address === 'string' ? vip(address) : address)),
  };
}

/** One rule with one clause with the given match, unless rules are given. */
export function aPolicy(
  given: Partial<AuthorizationPolicy> & { readonly name: string; readonly match?: PolicyMatch },
): AuthorizationPolicy {
  const { match, ...policy } = given;
  return {
    namespace: 'default',
    scope: 'namespace',
    action: 'allow',
    rules: match === undefined ? [] : [[[match]]],
    dryRun: false,
    ...policy,
  };
}

export function meshOf(snapshot: Partial<MeshSnapshot>): MeshIndex {
  const index = createMeshIndex();
  index.replace({ workloads: [], services: [], policies: [], ...snapshot });
  return index;
}
