// Workloads and services as istiod sends them: the bytes of `istio.workload.Address` in, one mesh value out. Defaults and
// what is refused: ztunnel.md §6.4, §6.6.
import type { Service } from '../mesh/service.ts';
import type { ApplicationTunnel, Locality, ServicePort, Workload, WorkloadUid } from '../mesh/workload.ts';
import { checkPort, type Draft, gateway, readIp, servicePort } from './gateway-codec.ts';
import {
  bool,
  bytes,
  choice,
  decodeMessage,
  type Fields,
  invalid,
  message,
  sharedMessage,
  sharedText,
  text,
  uint32,
} from './protobuf-fields.ts';
import { checkService, draftService, type ServiceDraft, serviceFields } from './service-codec.ts';

export const addressTypeUrl = 'type.googleapis.com/istio.workload.Address';

export type MeshAddress =
  | { readonly kind: 'workload'; readonly workload: Workload }
  | { readonly kind: 'service'; readonly service: Service };

type WorkloadDraft = Draft<Workload>;
type AddressDraft = { value: MeshAddress | undefined };
type MembershipDraft = { key: string; ports: readonly ServicePort[] };
/** With the whole of a list that has nothing else, for the many workloads of one service. */
interface Membership {
  readonly key: string;
  readonly ports: readonly ServicePort[];
  readonly alone: ReadonlyMap<string, readonly ServicePort[]>;
}

const none: readonly never[] = [];
const noServices: ReadonlyMap<string, readonly ServicePort[]> = new Map();

const localityFields: Fields<Draft<Locality>> = {
  1: text((locality, value) => {
    locality.region = value;
  }),
  2: text((locality, value) => {
    locality.zone = value;
  }),
  3: text((locality, value) => {
    locality.subzone = value;
  }),
};

const portListFields: Fields<MembershipDraft> = {
  1: servicePort((membership, value) => {
    membership.ports = [...membership.ports, value];
  }),
};

/** An entry of `map<string, PortList>`. */
const membershipFields: Fields<MembershipDraft> = {
  1: text((membership, value) => {
    membership.key = value;
  }),
  2: message(
    portListFields,
    () => ({ key: '', ports: none }),
    (membership, { ports }) => {
      membership.ports = ports;
    },
  ),
};

function finishMembership({ key, ports }: MembershipDraft): Membership {
  if (!key.includes('/')) throw invalid(`service "${key}" is not written as namespace/hostname`);
  return { key, ports, alone: new Map([[key, ports]]) };
}

const applicationTunnelFields: Fields<Draft<ApplicationTunnel>> = {
  1: choice('application tunnel protocol', ['none', 'proxy'], (tunnel, value) => {
    tunnel.protocol = value;
  }),
  2: uint32((tunnel, value) => {
    tunnel.port = checkPort(value);
  }),
};

const capacityFields: Fields<{ value: number }> = {
  1: uint32((capacity, value) => {
    capacity.value = value;
  }),
};

const workloadFields: Fields<WorkloadDraft> = {
  1: text((workload, value) => {
    workload.name = value;
  }),
  2: sharedText((workload, value) => {
    workload.namespace = value;
  }),
  // Lists are made anew for each entry: most have one, and room for more would stay empty a hundred thousand times.
  3: bytes((workload, value) => {
    workload.addresses = [...workload.addresses, readIp(value)];
  }),
  4: sharedText((workload, value) => {
    workload.network = value;
  }),
  // The last one is LEGACY_ISTIO_MTLS. istiod sends it to agentgateway alone: to us its sidecars without HBONE are 'none'.
  5: choice('tunnel_protocol', ['none', 'hbone', 'istio-mtls'], (workload, value) => {
    workload.tunnelProtocol = value;
  }),
  6: sharedText((workload, value) => {
    if (value !== '') workload.trustDomain = value;
  }),
  7: sharedText((workload, value) => {
    if (value !== '') workload.serviceAccount = value;
  }),
  8: gateway((workload, value) => {
    workload.waypoint = value;
  }),
  9: sharedText((workload, value) => {
    workload.node = value;
  }),
  10: sharedText((workload, value) => {
    workload.canonicalName = value;
  }),
  11: sharedText((workload, value) => {
    workload.canonicalRevision = value;
  }),
  12: choice('workload_type', ['deployment', 'cronjob', 'pod', 'job'], (workload, value) => {
    workload.workloadType = value;
  }),
  13: sharedText((workload, value) => {
    workload.workloadName = value;
  }),
  14: bool((workload, value) => {
    workload.nativeTunnel = value;
  }),
  16: sharedText((workload, value) => {
    workload.authorizationPolicies = [...workload.authorizationPolicies, value];
  }),
  17: choice('status', ['healthy', 'unhealthy'], (workload, value) => {
    workload.status = value;
  }),
  18: sharedText((workload, value) => {
    if (value !== '') workload.clusterId = value;
  }),
  19: gateway((workload, value) => {
    workload.networkGateway = value;
  }),
  20: text((workload, value) => {
    workload.uid = value as WorkloadUid;
  }),
  21: text((workload, value) => {
    workload.hostname = value;
  }),
  22: sharedMessage(
    membershipFields,
    (): MembershipDraft => ({ key: '', ports: none }),
    finishMembership,
    (workload, { key, ports, alone }) => {
      workload.services = workload.services.size === 0 ? alone : new Map([...workload.services, [key, ports]]);
    },
  ),
  23: message(
    applicationTunnelFields,
    (): Draft<ApplicationTunnel> => ({ protocol: 'none', port: 0 }),
    (workload, value) => {
      workload.applicationTunnel = value;
    },
  ),
  24: sharedMessage(
    localityFields,
    (): Draft<Locality> => ({ region: '', zone: '', subzone: '' }),
    (locality): Locality => locality,
    (workload, value) => {
      workload.locality = value;
    },
  ),
  25: choice('network_mode', ['standard', 'host-network'], (workload, value) => {
    workload.networkMode = value;
  }),
  27: message(
    capacityFields,
    () => ({ value: 0 }),
    (workload, { value }) => {
      workload.capacity = value;
    },
  ),
};

function draftWorkload(): WorkloadDraft {
  return {
    uid: '' as WorkloadUid,
    name: '',
    namespace: '',
    addresses: none,
    hostname: '',
    network: '',
    tunnelProtocol: 'none',
    plaintextPorts: [],
    trustDomain: 'cluster.local',
    serviceAccount: 'default',
    waypoint: undefined,
    networkGateway: undefined,
    node: '',
    canonicalName: '',
    canonicalRevision: '',
    workloadType: 'deployment',
    workloadName: '',
    nativeTunnel: false,
    applicationTunnel: undefined,
    services: noServices,
    authorizationPolicies: none,
    status: 'healthy',
    clusterId: 'Kubernetes',
    locality: undefined,
    networkMode: 'standard',
    capacity: 1,
  };
}

const addressFields: Fields<AddressDraft> = {
  1: message(workloadFields, draftWorkload, (address, workload) => {
    if (workload.uid === '') throw invalid('a workload has no uid');
    address.value = { kind: 'workload', workload };
  }),
  2: message<AddressDraft, ServiceDraft>(serviceFields, draftService, (address, service) => {
    address.value = { kind: 'service', service: checkService(service) };
  }),
};

/** @throws MeshError RESOURCE_INVALID */
export function decodeAddress(value: Uint8Array): MeshAddress {
  const { value: address } = decodeMessage<AddressDraft>(value, addressFields, { value: undefined }, 'Address');
  if (address === undefined) throw invalid('it is neither a workload nor a service');
  return address;
}
