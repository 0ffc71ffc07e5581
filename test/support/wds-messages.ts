// The messages of istio.workload, istio.security and delta xDS as their published schemas say, by protobufjs' own reflection:
// a second opinion on our codecs, and what a fake control plane sends. Mesh values in, bytes out; request bytes in, values out.
import protobuf from 'protobufjs';
import type { AuthorizationPolicy, StringMatch } from '../../common/mesh/authorization-policy.ts';
import type { Service } from '../../common/mesh/service.ts';
import type { GatewayAddress, NetworkAddress, ServicePort, Workload } from '../../common/mesh/workload.ts';
import { ipToBytes } from '../../common/net/address.ts';
import { addressTypeUrl } from '../../common/xds/workload-codec.ts';

const schema = protobuf.parse(`
syntax = "proto3";
message Any { string type_url = 1; bytes value = 2; }
message Struct { map<string, Value> fields = 1; }
message Value { oneof kind { int32 null_value = 1; double number_value = 2; string string_value = 3; bool bool_value = 4;
  Struct struct_value = 5; ListValue list_value = 6; } }
message ListValue { repeated Value values = 1; }
message Node { string id = 1; string cluster = 2; Struct metadata = 3; }
message Status { int32 code = 1; string message = 2; }
message Resource { string version = 1; Any resource = 2; string name = 3; repeated string aliases = 4; }
message DeltaRequest { Node node = 1; string type_url = 2; repeated string subscribe = 3; repeated string unsubscribe = 4;
  map<string, string> initial_resource_versions = 5; string response_nonce = 6; Status error_detail = 7; }
message DeltaResponse { string system_version_info = 1; repeated Resource resources = 2; string type_url = 4;
  string nonce = 5; repeated string removed_resources = 6; }

message Address { oneof type { Workload workload = 1; Service service = 2; } }
message NetworkAddress { string network = 1; bytes address = 2; optional uint32 length = 3; }
message NamespacedHostname { string namespace = 1; string hostname = 2; }
message GatewayAddress { oneof destination { NamespacedHostname hostname = 1; NetworkAddress address = 2; } uint32 port = 3; }
message Port { uint32 service_port = 1; uint32 target_port = 2; int32 app_protocol = 3; }
message PortList { repeated Port ports = 1; }
message LoadBalancing { repeated int32 routing_preference = 1; int32 mode = 2; int32 health_policy = 3; }
message WeightedWaypoint { GatewayAddress destination = 1; uint32 weight = 2; }
message Service { string name = 1; string namespace = 2; string hostname = 3; repeated NetworkAddress addresses = 4;
  repeated Port ports = 5; repeated string subject_alt_names = 6; GatewayAddress waypoint = 7; LoadBalancing load_balancing = 8;
  int32 ip_families = 9; bool canonical = 11; bool ingress_use_waypoint = 12; repeated WeightedWaypoint weighted_waypoints = 13;
  int32 visibility = 14; }
message ApplicationTunnel { int32 protocol = 1; uint32 port = 2; }
message Locality { string region = 1; string zone = 2; string subzone = 3; }
message UInt32Value { uint32 value = 1; }
message Workload { string name = 1; string namespace = 2; repeated bytes addresses = 3; string network = 4;
  int32 tunnel_protocol = 5; string trust_domain = 6; string service_account = 7; GatewayAddress waypoint = 8; string node = 9;
  string canonical_name = 10; string canonical_revision = 11; int32 workload_type = 12; string workload_name = 13;
  bool native_tunnel = 14; repeated string authorization_policies = 16; int32 status = 17; string cluster_id = 18;
  GatewayAddress network_gateway = 19; string uid = 20; string hostname = 21; map<string, PortList> services = 22;
  ApplicationTunnel application_tunnel = 23; Locality locality = 24; int32 network_mode = 25; UInt32Value capacity = 27; }

message Authorization { string name = 1; string namespace = 2; int32 scope = 3; int32 action = 4; repeated Rule rules = 5;
  bool dry_run = 6; }
message Rule { repeated Clause clauses = 1; }
message Clause { repeated Match matches = 2; }
message Match { repeated StringMatch namespaces = 1; repeated StringMatch not_namespaces = 2; repeated StringMatch principals = 3;
  repeated StringMatch not_principals = 4; repeated Range source_ips = 5; repeated Range not_source_ips = 6;
  repeated Range destination_ips = 7; repeated Range not_destination_ips = 8; repeated uint32 destination_ports = 9;
  repeated uint32 not_destination_ports = 10; repeated Account service_accounts = 11; repeated Account not_service_accounts = 12; }
message Range { bytes address = 1; uint32 length = 2; }
message Account { string namespace = 1; string serviceAccount = 2; }
message Empty { }
message StringMatch { oneof match { string exact = 1; string prefix = 2; string suffix = 3; Empty presence = 4; } }
`).root;

function encode(type: string, value: Record<string, unknown>): Buffer {
  const message = schema.lookupType(type);
  return Buffer.from(message.encode(message.fromObject(value)).finish());
}

/** Any message of the schema, by hand: for what no mesh value can say. */
export const encodeRaw = encode;

export function encodeWorkload(workload: Workload): Buffer {
  const { capacity, services, addresses, status, networkMode, tunnelProtocol, workloadType, ...rest } = workload;
  return encode('Address', {
    workload: {
      ...rest,
      addresses: addresses.map(ipToBytes),
      tunnelProtocol: ['none', 'hbone', 'istio-mtls'].indexOf(tunnelProtocol),
      workloadType: ['deployment', 'cronjob', 'pod', 'job'].indexOf(workloadType),
      status: status === 'unhealthy' ? 1 : 0,
      networkMode: networkMode === 'host-network' ? 1 : 0,
      capacity: capacity === 1 ? null : { value: capacity },
      services: Object.fromEntries([...services].map(([key, ports]) => [key, { ports: ports.map(port) }])),
      waypoint: gateway(workload.waypoint),
      networkGateway: gateway(workload.networkGateway),
      applicationTunnel: workload.applicationTunnel && {
        ...workload.applicationTunnel,
        protocol: workload.applicationTunnel.protocol === 'proxy' ? 1 : 0,
      },
    },
  });
}

const scopes = ['', 'region', 'zone', 'subzone', 'node', 'cluster', 'network'];

export function encodeService(service: Service): Buffer {
  const balancing = service.loadBalancing;
  return encode('Address', {
    service: {
      ...service,
      addresses: service.addresses.map(address),
      ports: service.ports.map(port),
      waypoint: gateway(service.waypoint),
      weightedWaypoints: service.weightedWaypoints.map(({ destination, weight }) => ({
        destination: gateway(destination),
        weight,
      })),
      loadBalancing: balancing && {
        mode: ['standard', 'strict', 'failover', 'passthrough'].indexOf(balancing.mode),
        healthPolicy: balancing.healthPolicy === 'allow-all' ? 1 : 0,
        routingPreference: balancing.routingPreference.map((scope) => scopes.indexOf(scope)),
      },
      ipFamilies: ['automatic', 'ipv4', 'ipv6', 'dual'].indexOf(service.ipFamilies),
      visibility: service.visibility === 'namespace' ? 1 : 0,
    },
  });
}

export function encodePolicy(policy: AuthorizationPolicy): Buffer {
  const strings = (list: readonly StringMatch[] | undefined) =>
    list?.map((match) => (match.kind === 'presence' ? { presence: {} } : { [match.kind]: match.value }));
  const ranges = (list: readonly { ip: NetworkAddress['ip']; prefixLength: number }[] | undefined) =>
    list?.map(({ ip, prefixLength }) => ({ address: ipToBytes(ip), length: prefixLength }));
  return encode('Authorization', {
    ...policy,
    scope: ['global', 'namespace', 'workload-selector'].indexOf(policy.scope),
    action: policy.action === 'deny' ? 1 : 0,
    rules: policy.rules.map((rule) => ({
      clauses: rule.map((clause) => ({
        matches: clause.map((match) => ({
          ...match,
          namespaces: strings(match.namespaces),
          notNamespaces: strings(match.notNamespaces),
          principals: strings(match.principals),
          notPrincipals: strings(match.notPrincipals),
          sourceIps: ranges(match.sourceIps),
          notSourceIps: ranges(match.notSourceIps),
          destinationIps: ranges(match.destinationIps),
          notDestinationIps: ranges(match.notDestinationIps),
        })),
      })),
    })),
  });
}

export interface SentResource {
  readonly name: string;
  readonly version?: string;
  readonly aliases?: readonly string[];
  readonly value: Uint8Array;
}

export interface SentResponse {
  readonly typeUrl?: string;
  readonly nonce: string;
  readonly resources?: readonly SentResource[];
  readonly removed?: readonly string[];
}

export function encodeResponse({
  typeUrl = addressTypeUrl,
  nonce,
  resources = [],
  removed = [],
}: SentResponse): Buffer {
  return encode('DeltaResponse', {
    typeUrl,
    nonce,
    resources: resources.map(({ name, version, aliases, value }) => ({
      name,
      version,
      aliases,
      resource: { typeUrl, value },
    })),
    removedResources: removed,
  });
}

export interface ReadRequest {
  readonly typeUrl?: string;
  readonly node?: { readonly id: string; readonly metadata: unknown };
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  readonly initialResourceVersions?: Readonly<Record<string, string>>;
  readonly responseNonce?: string;
  readonly errorDetail?: { readonly message: string };
}

export function readRequest(bytes: Uint8Array): ReadRequest {
  const message = schema.lookupType('DeltaRequest');
  return message.toObject(message.decode(bytes));
}

function address({ ip, network, prefixLength }: NetworkAddress): Record<string, unknown> {
  return { network, address: ipToBytes(ip), length: prefixLength };
}

function gateway(given: GatewayAddress | undefined): Record<string, unknown> | undefined {
  if (given === undefined) return undefined;
  const { hboneMtlsPort } = given;
  return given.kind === 'hostname'
    ? { hostname: given.hostname, port: hboneMtlsPort }
    : { address: address(given.address), port: hboneMtlsPort };
}

const appProtocols = ['unknown', 'http11', 'http2', 'grpc', 'tcp', 'tls'];

function port({ appProtocol, servicePort, targetPort }: ServicePort): Record<string, unknown> {
  return { servicePort, targetPort, appProtocol: appProtocols.indexOf(appProtocol) };
}
