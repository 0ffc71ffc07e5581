// A mesh snapshot as the JSON form of WDS: protobuf's names, addresses as text, fields at their default absent.
// Snapshot in; resources by name, as istiod sends them, out. Source: istio-control.md §3.1, §4.1.
import type { AuthorizationPolicy, PolicyMatch, StringMatch } from '../../mesh/authorization-policy.ts';
import type { MeshSnapshot } from '../../mesh/mesh-source.ts';
import type { Service } from '../../mesh/service.ts';
import type { GatewayAddress, NetworkAddress, ServicePort, Workload } from '../../mesh/workload.ts';

interface NamedResource {
  readonly name: string;
  readonly resource: unknown;
}

export interface WdsJson {
  readonly 'istio.workload.Address': readonly NamedResource[];
  readonly 'istio.security.Authorization': readonly NamedResource[];
}

export function wdsJson(snapshot: MeshSnapshot): WdsJson {
  return {
    'istio.workload.Address': [
      ...snapshot.workloads.map((workload) => ({ name: workload.uid, resource: { workload: workloadJson(workload) } })),
      ...snapshot.services.map((service) => ({
        name: `${service.namespace}/${service.hostname}`,
        resource: { service: serviceJson(service) },
      })),
    ],
    'istio.security.Authorization': snapshot.policies.map((policy) => ({
      name: `${policy.namespace}/${policy.name}`,
      resource: policyJson(policy),
    })),
  };
}

/** Of a sidecar's mutual TLS istiod tells agentgateway alone: to a ztunnel it says nothing, and this is what a ztunnel gets. */
const tunnelProtocols = { none: undefined, hbone: 'HBONE', 'istio-mtls': undefined };

function workloadJson(workload: Workload): unknown {
  const services = Object.fromEntries(
    [...workload.services].map(([key, ports]) => [key, compact({ ports: ports.map(portJson) })]),
  );
  return compact({
    uid: workload.uid,
    name: workload.name,
    namespace: workload.namespace,
    addresses: workload.addresses,
    hostname: workload.hostname,
    network: workload.network,
    tunnelProtocol: tunnelProtocols[workload.tunnelProtocol],
    trustDomain: workload.trustDomain === 'cluster.local' ? undefined : workload.trustDomain,
    serviceAccount: workload.serviceAccount,
    waypoint: gatewayJson(workload.waypoint),
    networkGateway: gatewayJson(workload.networkGateway),
    node: workload.node,
    canonicalName: workload.canonicalName,
    canonicalRevision: workload.canonicalRevision,
    workloadType: workload.workloadType === 'deployment' ? undefined : workload.workloadType.toUpperCase(),
    workloadName: workload.workloadName,
    nativeTunnel: workload.nativeTunnel || undefined,
    applicationTunnel: workload.applicationTunnel && {
      ...(workload.applicationTunnel.protocol === 'proxy' && { protocol: 'PROXY' }),
      ...(workload.applicationTunnel.port > 0 && { port: workload.applicationTunnel.port }),
    },
    services: workload.services.size > 0 ? services : undefined,
    authorizationPolicies: workload.authorizationPolicies,
    status: workload.status === 'unhealthy' ? 'UNHEALTHY' : undefined,
    clusterId: workload.clusterId,
    locality: workload.locality && compact({ ...workload.locality }),
    networkMode: workload.networkMode === 'host-network' ? 'HOST_NETWORK' : undefined,
    capacity: workload.capacity === 1 ? undefined : workload.capacity,
  });
}

const ipFamilies = { automatic: undefined, ipv4: 'IPV4_ONLY', ipv6: 'IPV6_ONLY', dual: 'DUAL' };

function serviceJson(service: Service): unknown {
  const balancing = service.loadBalancing;
  return compact({
    name: service.name,
    namespace: service.namespace,
    hostname: service.hostname,
    addresses: service.addresses.map(addressJson),
    ports: service.ports.map(portJson),
    subjectAltNames: service.subjectAltNames,
    waypoint: gatewayJson(service.waypoint),
    weightedWaypoints: service.weightedWaypoints.map(({ destination, weight }) =>
      compact({ destination: gatewayJson(destination), weight: weight || undefined }),
    ),
    loadBalancing:
      balancing &&
      compact({
        mode: balancing.mode === 'standard' ? undefined : balancing.mode.toUpperCase(),
        routingPreference: balancing.routingPreference.map((scope) => scope.toUpperCase()),
        healthPolicy: balancing.healthPolicy === 'allow-all' ? 'ALLOW_ALL' : undefined,
      }),
    ipFamilies: ipFamilies[service.ipFamilies],
    canonical: service.canonical || undefined,
    ingressUseWaypoint: service.ingressUseWaypoint || undefined,
    visibility: service.visibility === 'namespace' ? 'NAMESPACE' : undefined,
  });
}

function policyJson(policy: AuthorizationPolicy): unknown {
  const scopes = { global: undefined, namespace: 'NAMESPACE', 'workload-selector': 'WORKLOAD_SELECTOR' };
  return compact({
    name: policy.name,
    namespace: policy.namespace,
    scope: scopes[policy.scope],
    action: policy.action === 'deny' ? 'DENY' : undefined,
    groups: policy.rules.map((rule) =>
      compact({ rules: rule.map((clause) => compact({ matches: clause.map(matchJson) })) }),
    ),
    dryRun: policy.dryRun || undefined,
  });
}

function matchJson(match: PolicyMatch): unknown {
  const ranges = (list: PolicyMatch['sourceIps']): unknown =>
    list?.map(({ ip, prefixLength }) => compact({ address: ip, length: prefixLength || undefined }));
  return compact({
    namespaces: match.namespaces?.map(stringJson),
    notNamespaces: match.notNamespaces?.map(stringJson),
    principals: match.principals?.map(stringJson),
    notPrincipals: match.notPrincipals?.map(stringJson),
    serviceAccounts: match.serviceAccounts,
    notServiceAccounts: match.notServiceAccounts,
    sourceIps: ranges(match.sourceIps),
    notSourceIps: ranges(match.notSourceIps),
    destinationIps: ranges(match.destinationIps),
    notDestinationIps: ranges(match.notDestinationIps),
    destinationPorts: match.destinationPorts,
    notDestinationPorts: match.notDestinationPorts,
  });
}

function stringJson(match: StringMatch): unknown {
  return match.kind === 'presence' ? { presence: {} } : { [match.kind]: match.value };
}

function gatewayJson(gateway: GatewayAddress | undefined): unknown {
  if (gateway === undefined) return undefined;
  const { hboneMtlsPort } = gateway;
  return gateway.kind === 'hostname'
    ? { hostname: gateway.hostname, hboneMtlsPort }
    : { address: addressJson(gateway.address), hboneMtlsPort };
}

function addressJson(address: NetworkAddress): unknown {
  return compact({ network: address.network, address: address.ip, length: address.prefixLength });
}

function portJson(port: ServicePort): unknown {
  return compact({
    servicePort: port.servicePort,
    targetPort: port.targetPort || undefined,
    appProtocol: port.appProtocol === 'unknown' ? undefined : port.appProtocol.toUpperCase(),
  });
}

/** Without the fields that protobuf leaves out: undefined, "", and empty lists. */
function compact(fields: Readonly<Record<string, unknown>>): unknown {
  const isSet = (value: unknown): boolean =>
    value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => isSet(value)));
}
