// One workload or service of the standalone mode's YAML, under the names of config_dump (ztunnel.md §12, §13). A field in,
// the mesh's value out; what is missing has that mode's defaults, which are not those of the wire.
import type { LoadBalancing, Service } from '../mesh/service.ts';
import type {
  ApplicationTunnel,
  GatewayAddress,
  NetworkAddress,
  ServicePort,
  Workload,
  WorkloadUid,
} from '../mesh/workload.ts';
import { type IpAddress, parseIp } from '../net/address.ts';
import { parseCidr } from '../net/cidr.ts';
import type { Field } from '../sources/field.ts';

export interface LocalService {
  readonly service: Service;
  readonly endpoints: readonly { readonly workload: WorkloadUid; readonly ports: readonly ServicePort[] }[];
}

const workloadMembers = [
  ...['uid', 'name', 'namespace', 'workloadIps', 'hostname', 'network', 'protocol', 'networkMode', 'trustDomain'],
  ...['serviceAccount', 'node', 'clusterId', 'canonicalName', 'canonicalRevision', 'workloadName', 'workloadType'],
  ...['status', 'capacity', 'locality', 'nativeTunnel', 'applicationTunnel', 'waypoint', 'networkGateway'],
  ...['services', 'authorizationPolicies'],
];

const protocols = { TCP: 'none', HBONE: 'hbone', LEGACY_ISTIO_MTLS: 'istio-mtls' } as const;

/** @throws MalformedField */
export function readLocalWorkload(field: Field): Workload {
  field.onlyMembers(workloadMembers);
  const [name, namespace] = [field.at('name').text(), field.at('namespace').requiredText()];
  if (field.at('services').isAbsent) throw field.at('services').malformed('a mapping', 'write {} if there are none');
  const uid = field.at('uid').text();
  return {
    uid: (uid === '' ? `${namespace}/${name}` : uid) as WorkloadUid,
    name,
    namespace,
    addresses: field.at('workloadIps').items().map(readIp),
    hostname: field.at('hostname').text(),
    network: field.at('network').text(),
    tunnelProtocol: protocols[field.at('protocol').oneOf(['TCP', 'HBONE', 'LEGACY_ISTIO_MTLS']) ?? 'TCP'],
    plaintextPorts: [],
    trustDomain: field.at('trustDomain').text(),
    serviceAccount: field.at('serviceAccount').text(),
    waypoint: readGateway(field.at('waypoint')),
    networkGateway: readGateway(field.at('networkGateway')),
    node: field.at('node').text(),
    canonicalName: field.at('canonicalName').text(),
    canonicalRevision: field.at('canonicalRevision').text(),
    workloadType: field.at('workloadType').oneOf(['deployment', 'cronjob', 'pod', 'job']) ?? 'deployment',
    workloadName: field.at('workloadName').text(),
    nativeTunnel: field.at('nativeTunnel').flag(),
    applicationTunnel: readApplicationTunnel(field.at('applicationTunnel')),
    services: new Map(
      field
        .at('services')
        .entries()
        .map(([key, ports]) => [key, readPorts(ports)]),
    ),
    authorizationPolicies: field.at('authorizationPolicies').texts(),
    status: field.at('status').oneOf(['Healthy', 'Unhealthy']) === 'Unhealthy' ? 'unhealthy' : 'healthy',
    clusterId: field.at('clusterId').text(),
    locality: readLocality(field.at('locality')),
    networkMode:
      field.at('networkMode').oneOf(['Standard', 'HostNetwork']) === 'HostNetwork' ? 'host-network' : 'standard',
    capacity: field.at('capacity').number(0, 0xffff_ffff) ?? 1,
  };
}

const serviceMembers = [
  ...['name', 'namespace', 'hostname', 'vips', 'cidrVips', 'ports', 'endpoints', 'subjectAltNames', 'waypoint'],
  ...['weightedWaypoints', 'loadBalancer', 'ipFamilies', 'canonical', 'visibility'],
];
const ipFamilies = { IPv4: 'ipv4', IPv6: 'ipv6', Dual: 'dual' } as const;

/** @throws MalformedField */
export function readLocalService(field: Field): LocalService {
  field.onlyMembers(serviceMembers);
  const family = field.at('ipFamilies').oneOf(['IPv4', 'IPv6', 'Dual']);
  const weighted = field.at('weightedWaypoints').items();
  return {
    endpoints: field
      .at('endpoints')
      .entries()
      .map(([uid, endpoint]) => ({
        workload: (endpoint.at('workloadUid').text() || uid) as WorkloadUid,
        ports: readPorts(endpoint.at('port')),
      })),
    service: {
      name: field.at('name').requiredText(),
      namespace: field.at('namespace').requiredText(),
      hostname: field.at('hostname').requiredText(),
      addresses: [...field.at('vips').items().map(readAddress), ...field.at('cidrVips').items().map(readRange)],
      ports: readPorts(field.at('ports')),
      subjectAltNames: field.at('subjectAltNames').texts(),
      waypoint: readGateway(field.at('waypoint')),
      weightedWaypoints: weighted.map((item) => ({
        destination: { ...readDestination(item.at('destination')), hboneMtlsPort: 15_008 },
        weight: item.at('weight').number(0, 0xffff_ffff) ?? 0,
      })),
      loadBalancing: readLoadBalancing(field.at('loadBalancer')),
      ipFamilies: family === undefined ? 'automatic' : ipFamilies[family],
      canonical: field.at('canonical').flag(),
      ingressUseWaypoint: false,
      visibility: field.at('visibility').oneOf(['Public', 'Namespace']) === 'Namespace' ? 'namespace' : 'public',
    },
  };
}

function readLocality(field: Field): Workload['locality'] {
  if (field.isAbsent) return undefined;
  field.onlyMembers(['region', 'zone', 'subzone']);
  return { region: field.at('region').text(), zone: field.at('zone').text(), subzone: field.at('subzone').text() };
}

function readApplicationTunnel(field: Field): ApplicationTunnel | undefined {
  if (field.isAbsent) return undefined;
  const protocol = field.at('protocol').oneOf(['NONE', 'PROXY']) === 'PROXY' ? 'proxy' : 'none';
  return { protocol, port: field.at('port').number(0, 65_535) ?? 0 };
}

const modes = { Standard: 'standard', Strict: 'strict', Failover: 'failover', Passthrough: 'passthrough' } as const;
const scopes = {
  Region: 'region',
  Zone: 'zone',
  Subzone: 'subzone',
  Node: 'node',
  Cluster: 'cluster',
  Network: 'network',
} as const;

function readLoadBalancing(field: Field): LoadBalancing | undefined {
  if (field.isAbsent) return undefined;
  field.onlyMembers(['mode', 'routingPreferences', 'healthPolicy']);
  const mode = field.at('mode').oneOf(['Standard', 'Strict', 'Failover', 'Passthrough']) ?? 'Standard';
  const preferences = field.at('routingPreferences').items();
  return {
    mode: modes[mode],
    routingPreference: preferences.map((item) => {
      const scope = item.oneOf(['Region', 'Zone', 'Subzone', 'Node', 'Cluster', 'Network']);
      return scopes[scope ?? 'Region'];
    }),
    healthPolicy:
      field.at('healthPolicy').oneOf(['OnlyHealthy', 'AllowAll']) === 'AllowAll' ? 'allow-all' : 'only-healthy',
  };
}

function readGateway(field: Field): GatewayAddress | undefined {
  if (field.isAbsent) return undefined;
  field.onlyMembers(['destination', 'hboneMtlsPort']);
  const hboneMtlsPort = field.at('hboneMtlsPort').number(0, 65_535) ?? 15_008;
  return { ...readDestination(field.at('destination')), hboneMtlsPort };
}

type Destination =
  | Pick<Extract<GatewayAddress, { kind: 'address' }>, 'kind' | 'address'>
  | Pick<Extract<GatewayAddress, { kind: 'hostname' }>, 'kind' | 'hostname'>;

/** `network/ip` where that is one, else `namespace/hostname`. */
function readDestination(field: Field): Destination {
  const [before, after] = splitOnce(field);
  const ip = parseIp(after);
  if (ip !== undefined) return { kind: 'address', address: { network: before, ip } };
  return { kind: 'hostname', hostname: { namespace: before, hostname: after } };
}

function readAddress(field: Field): NetworkAddress {
  const [network, text] = splitOnce(field);
  const ip = parseIp(text);
  if (ip === undefined) throw field.malformed('network/address', 'write "/10.0.0.1" where there is one network only');
  return { network, ip };
}

function readRange(field: Field): NetworkAddress {
  const range = parseCidr(field.at('cidr').text());
  if (range === undefined) throw field.at('cidr').malformed('a CIDR range', 'write it as 10.0.0.0/8');
  return { network: field.at('network').text(), ...range };
}

function splitOnce(field: Field): readonly [string, string] {
  const text = field.requiredText();
  const slash = text.indexOf('/');
  if (slash < 0) throw field.malformed('two parts with a slash between', 'write network/address or namespace/hostname');
  return [text.slice(0, slash), text.slice(slash + 1)];
}

function readIp(field: Field): IpAddress {
  const ip = parseIp(field.text());
  if (ip === undefined) throw field.malformed('an address', 'write it as 10.0.0.1 or fd00::1');
  return ip;
}

/** `{servicePort: targetPort}`. */
function readPorts(field: Field): readonly ServicePort[] {
  return field.entries().map(([key, value]) => {
    const servicePort = Number(key);
    if (!/^\d{1,5}$/.test(key) || servicePort > 65_535) throw field.malformed('a mapping of ports', 'write {80: 8080}');
    return { servicePort, targetPort: value.number(0, 65_535) ?? 0, appProtocol: 'unknown' };
  });
}
