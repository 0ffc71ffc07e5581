// Reads the workloads, services and policies of a real ztunnel's config_dump back into mesh values, so that what we show
// of them can be compared with what it showed. Knows what the samples hold, no more.
import type { AuthorizationPolicy, IpRange, PolicyMatch, StringMatch } from '../../common/mesh/authorization-policy.ts';
import type { MeshSnapshot } from '../../common/mesh/mesh-source.ts';
import type { Service } from '../../common/mesh/service.ts';
import type { GatewayAddress, NetworkAddress, ServicePort, Workload, WorkloadUid } from '../../common/mesh/workload.ts';
import { type IpAddress, parseIp } from '../../common/net/address.ts';

interface DumpedGateway {
  readonly destination: string;
  readonly hboneMtlsPort: number;
}

interface DumpedWorkload extends Partial<Record<TextMember, string>> {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly workloadIps: readonly string[];
  readonly protocol: string;
  readonly networkMode: string;
  readonly status: string;
  readonly capacity: number;
  readonly workloadType: Workload['workloadType'];
  readonly locality?: { readonly region: string; readonly zone: string; readonly subzone: string };
  readonly services?: readonly string[];
  readonly authorizationPolicies?: readonly string[];
}
type TextMember =
  | 'hostname'
  | 'network'
  | 'trustDomain'
  | 'serviceAccount'
  | 'node'
  | 'canonicalName'
  | 'canonicalRevision'
  | 'workloadName'
  | 'clusterId';

interface DumpedService {
  readonly name: string;
  readonly namespace: string;
  readonly hostname: string;
  readonly vips: readonly string[];
  readonly cidrVips?: readonly { readonly cidr: string; readonly network: string }[];
  readonly ports: Readonly<Record<string, number>>;
  readonly endpoints: Readonly<Record<string, { readonly port: Readonly<Record<string, number>> }>>;
  readonly subjectAltNames: readonly string[];
  readonly waypoint?: DumpedGateway;
  readonly loadBalancer?: { readonly routingPreferences: readonly string[] };
  readonly ipFamilies?: string;
  readonly canonical: boolean;
}

interface DumpedPolicy {
  readonly name: string;
  readonly namespace: string;
  readonly action: string;
  readonly dryRun: boolean;
  readonly rules: readonly (readonly (readonly Record<string, readonly unknown[]>[])[])[];
}

export interface DumpedMesh {
  readonly workloads: readonly DumpedWorkload[];
  readonly services: readonly DumpedService[];
  readonly policies: readonly DumpedPolicy[];
}

export function readDumpedMesh({ policies, services, workloads }: DumpedMesh): MeshSnapshot {
  return {
    workloads: workloads.map((workload) => readWorkload(workload, services)),
    services: services.map(readService),
    policies: policies.map(readPolicy),
  };
}

function readWorkload(dumped: DumpedWorkload, services: readonly DumpedService[]): Workload {
  const memberships = services.flatMap(({ endpoints, hostname, namespace }) => {
    const endpoint = endpoints[dumped.uid];
    return endpoint === undefined ? [] : [[`${namespace}/${hostname}`, readPorts(endpoint.port)] as const];
  });
  return {
    uid: dumped.uid as WorkloadUid,
    name: dumped.name,
    namespace: dumped.namespace,
    addresses: dumped.workloadIps.map(readIp),
    hostname: dumped.hostname ?? '',
    network: dumped.network ?? '',
    tunnelProtocol: dumped.protocol === 'HBONE' ? 'hbone' : 'none',
    plaintextPorts: [],
    trustDomain: dumped.trustDomain ?? '',
    serviceAccount: dumped.serviceAccount ?? '',
    waypoint: undefined,
    networkGateway: undefined,
    node: dumped.node ?? '',
    canonicalName: dumped.canonicalName ?? '',
    canonicalRevision: dumped.canonicalRevision ?? '',
    workloadType: dumped.workloadType,
    workloadName: dumped.workloadName ?? '',
    nativeTunnel: false,
    applicationTunnel: undefined,
    services: new Map(memberships),
    authorizationPolicies: dumped.authorizationPolicies ?? [],
    status: dumped.status === 'Healthy' ? 'healthy' : 'unhealthy',
    clusterId: dumped.clusterId ?? '',
    locality: dumped.locality,
    networkMode: dumped.networkMode === 'HostNetwork' ? 'host-network' : 'standard',
    capacity: dumped.capacity,
  };
}

function readService(dumped: DumpedService): Service {
  const { loadBalancer, waypoint } = dumped;
  const cidrs = (dumped.cidrVips ?? []).map(({ cidr, network }): NetworkAddress => ({ network, ...readRange(cidr) }));
  return {
    name: dumped.name,
    namespace: dumped.namespace,
    hostname: dumped.hostname,
    addresses: [...dumped.vips.map(readAddress), ...cidrs],
    ports: readPorts(dumped.ports),
    subjectAltNames: dumped.subjectAltNames,
    waypoint: waypoint && readGateway(waypoint),
    weightedWaypoints: [],
    loadBalancing: loadBalancer && {
      mode: 'failover',
      healthPolicy: 'only-healthy',
      routingPreference: loadBalancer.routingPreferences.map((scope) => scope.toLowerCase() as 'network'),
    },
    ipFamilies: dumped.ipFamilies === undefined ? 'automatic' : dumped.ipFamilies === 'Dual' ? 'dual' : 'ipv4',
    canonical: dumped.canonical,
    ingressUseWaypoint: false,
    visibility: 'public',
  };
}

function readPolicy({ action, dryRun, name, namespace, rules }: DumpedPolicy): AuthorizationPolicy {
  return {
    name,
    namespace,
    dryRun,
    scope: 'workload-selector',
    action: action === 'Deny' ? 'deny' : 'allow',
    rules: rules.map((rule) => rule.map((clause) => clause.map(readMatch))),
  };
}

function readMatch(dumped: Record<string, readonly unknown[]>): PolicyMatch {
  const read = (key: string, values: readonly unknown[]): readonly unknown[] => {
    if (/Ips$/.test(key)) return values.map((value) => readRange(String(value)));
    return /(amespaces|rincipals)$/.test(key) ? values.map(readStringMatch) : values;
  };
  return Object.fromEntries(Object.entries(dumped).map(([key, values]) => [key, read(key, values)]));
}

function readStringMatch(dumped: unknown): StringMatch {
  const [[kind, value] = ['', '']] = Object.entries(Object(dumped));
  return kind === 'Presence'
    ? { kind: 'presence' }
    : { kind: kind.toLowerCase() as 'exact' | 'prefix' | 'suffix', value: String(value) };
}

function readGateway({ destination, hboneMtlsPort }: DumpedGateway): GatewayAddress {
  const [namespace = '', hostname = ''] = destination.split('/');
  return { kind: 'hostname', hostname: { namespace, hostname }, hboneMtlsPort };
}

function readAddress(text: string): NetworkAddress {
  const [network = '', ip = ''] = text.split('/');
  return { network, ip: readIp(ip) };
}

function readRange(cidr: string): IpRange {
  const [ip = '', prefixLength] = cidr.split('/');
  return { ip: readIp(ip), prefixLength: Number(prefixLength) };
}

function readPorts(ports: Readonly<Record<string, number>>): readonly ServicePort[] {
  return Object.entries(ports).map(([servicePort, targetPort]) => ({
    servicePort: Number(servicePort),
    targetPort,
    appProtocol: 'unknown',
  }));
}

function readIp(text: string): IpAddress {
  const ip = parseIp(text);
  if (ip === undefined) throw new Error(`${text} is no address`);
  return ip;
}
