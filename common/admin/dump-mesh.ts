// Workloads, services and policies as ztunnel's config_dump shows them (ztunnel.md §12), for istioctl and for people.
// Pure: mesh values in, JSON values out; members that have their default are left out as ztunnel does.
import type { AuthorizationPolicy, IpRange, PolicyMatch, StringMatch } from '../mesh/authorization-policy.ts';
import type { MeshView } from '../mesh/mesh-view.ts';
import { type LoadBalancing, type Service, serviceKey } from '../mesh/service.ts';
import type { GatewayAddress, NetworkAddress, ServicePort, Workload } from '../mesh/workload.ts';
import type { Json } from './sorted-json.ts';

export function dumpWorkloads(mesh: MeshView): Json {
  return sortedBy(mesh.workloads(), ({ uid }) => uid).map(dumpWorkload);
}

export function dumpServices(mesh: MeshView): Json {
  const members = membersByService(mesh);
  return sortedBy(mesh.services(), ({ hostname, namespace }) => `${hostname}/${namespace}`).map((service) =>
    dumpService(service, members.get(serviceKey(service)) ?? []),
  );
}

export function dumpPolicies(mesh: MeshView): Json {
  return sortedBy(mesh.policies(), ({ namespace, name }) => `${namespace}/${name}`).map(dumpPolicy);
}

const protocols = { none: 'TCP', hbone: 'HBONE', 'istio-mtls': 'LEGACY_ISTIO_MTLS' } as const;

function dumpWorkload(workload: Workload): Json {
  const { applicationTunnel: tunnel, locality } = workload;
  return {
    uid: workload.uid,
    name: workload.name,
    namespace: workload.namespace,
    workloadIps: workload.addresses,
    hostname: text(workload.hostname),
    network: text(workload.network),
    protocol: protocols[workload.tunnelProtocol],
    networkMode: workload.networkMode === 'host-network' ? 'HostNetwork' : 'Standard',
    trustDomain: text(workload.trustDomain),
    serviceAccount: text(workload.serviceAccount),
    node: text(workload.node),
    clusterId: workload.clusterId,
    canonicalName: text(workload.canonicalName),
    canonicalRevision: text(workload.canonicalRevision),
    workloadName: text(workload.workloadName),
    workloadType: workload.workloadType,
    status: capitalize(workload.status),
    capacity: workload.capacity,
    locality: locality && { ...locality },
    nativeTunnel: workload.nativeTunnel || undefined,
    applicationTunnel: tunnel && { protocol: tunnel.protocol.toUpperCase(), port: tunnel.port },
    waypoint: workload.waypoint && dumpGateway(workload.waypoint),
    networkGateway: workload.networkGateway && dumpGateway(workload.networkGateway),
    services: list([...workload.services.keys()].sort()),
    authorizationPolicies: list(workload.authorizationPolicies),
  };
}

interface Member {
  readonly workload: Workload;
  readonly ports: readonly ServicePort[];
}

/** All members, also those that may not be picked: people look here for why. */
function membersByService(mesh: MeshView): ReadonlyMap<string, readonly Member[]> {
  const members = new Map<string, Member[]>();
  for (const workload of mesh.workloads()) {
    for (const [key, ports] of workload.services) {
      const known = members.get(key);
      if (known === undefined) members.set(key, [{ workload, ports }]);
      else known.push({ workload, ports });
    }
  }
  return members;
}

function dumpService(service: Service, members: readonly Member[]): Json {
  const [cidrs, vips] = [true, false].map((cidr) =>
    service.addresses.filter(({ prefixLength }) => (prefixLength !== undefined) === cidr),
  );
  const weighted = service.weightedWaypoints.map(({ destination, weight }) => ({
    destination: dumpDestination(destination),
    weight,
  }));
  return {
    name: service.name,
    namespace: service.namespace,
    hostname: service.hostname,
    vips: (vips ?? []).map(dumpAddress),
    cidrVips: list((cidrs ?? []).map(({ ip, network, prefixLength }) => ({ cidr: `${ip}/${prefixLength}`, network }))),
    ports: dumpPorts(service.ports),
    endpoints: Object.fromEntries(members.map((member) => [member.workload.uid, dumpEndpoint(member)])),
    subjectAltNames: service.subjectAltNames,
    waypoint: service.waypoint && dumpGateway(service.waypoint),
    weightedWaypoints: list(weighted),
    loadBalancer: service.loadBalancing && dumpLoadBalancing(service.loadBalancing),
    ipFamilies: ipFamilies[service.ipFamilies],
    canonical: service.canonical,
    visibility: capitalize(service.visibility),
  };
}

const ipFamilies = { automatic: undefined, ipv4: 'IPv4', ipv6: 'IPv6', dual: 'Dual' } as const;

function dumpEndpoint({ workload, ports }: Member): Json {
  return { port: dumpPorts(ports), status: capitalize(workload.status), workloadUid: workload.uid };
}

function dumpPorts(ports: readonly ServicePort[]): Json {
  return Object.fromEntries(ports.map(({ servicePort, targetPort }) => [servicePort, targetPort]));
}

function dumpLoadBalancing({ healthPolicy, mode, routingPreference }: LoadBalancing): Json {
  return {
    healthPolicy: healthPolicy === 'allow-all' ? 'AllowAll' : 'OnlyHealthy',
    mode: capitalize(mode),
    routingPreferences: routingPreference.map(capitalize),
  };
}

function dumpGateway(gateway: GatewayAddress): Json {
  return { destination: dumpDestination(gateway), hboneMtlsPort: gateway.hboneMtlsPort };
}

function dumpDestination(gateway: GatewayAddress): string {
  if (gateway.kind === 'address') return dumpAddress(gateway.address);
  return `${gateway.hostname.namespace}/${gateway.hostname.hostname}`;
}

function dumpAddress({ ip, network }: NetworkAddress): string {
  return `${network}/${ip}`;
}

const scopes = { global: 'Global', namespace: 'Namespace', 'workload-selector': 'WorkloadSelector' } as const;

function dumpPolicy(policy: AuthorizationPolicy): Json {
  return {
    name: policy.name,
    namespace: policy.namespace,
    action: capitalize(policy.action),
    dryRun: policy.dryRun,
    scope: scopes[policy.scope],
    rules: policy.rules.map((rule) => rule.map((clause) => clause.map(dumpMatch))),
  };
}

function dumpMatch(match: PolicyMatch): Json {
  return {
    namespaces: list(match.namespaces?.map(dumpStringMatch)),
    notNamespaces: list(match.notNamespaces?.map(dumpStringMatch)),
    principals: list(match.principals?.map(dumpStringMatch)),
    notPrincipals: list(match.notPrincipals?.map(dumpStringMatch)),
    serviceAccounts: list(match.serviceAccounts?.map((account) => ({ ...account }))),
    notServiceAccounts: list(match.notServiceAccounts?.map((account) => ({ ...account }))),
    sourceIps: list(match.sourceIps?.map(dumpRange)),
    notSourceIps: list(match.notSourceIps?.map(dumpRange)),
    destinationIps: list(match.destinationIps?.map(dumpRange)),
    notDestinationIps: list(match.notDestinationIps?.map(dumpRange)),
    destinationPorts: list(match.destinationPorts),
    notDestinationPorts: list(match.notDestinationPorts),
  };
}

function dumpStringMatch(match: StringMatch): Json {
  return match.kind === 'presence' ? { Presence: [] } : { [capitalize(match.kind)]: match.value };
}

function dumpRange({ ip, prefixLength }: IpRange): string {
  return `${ip}/${prefixLength}`;
}

function text(value: string): string | undefined {
  return value === '' ? undefined : value;
}

function list(values: readonly Json[] | undefined): Json | undefined {
  return values === undefined || values.length === 0 ? undefined : values;
}

function capitalize(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function sortedBy<T>(values: Iterable<T>, keyOf: (value: T) => string): T[] {
  return [...values].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}
