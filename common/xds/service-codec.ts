// A service as istiod sends it: the bytes of `istio.workload.Service` (ztunnel.md §6.6) in, the mesh's value out.
import type { LoadBalancing, LoadBalancingScope, Service, WeightedWaypoint } from '../mesh/service.ts';
import type { GatewayAddress, NetworkAddress, ServicePort } from '../mesh/workload.ts';
import { type Draft, gateway, networkAddress, servicePort } from './gateway-codec.ts';
import { bool, choice, choices, type Fields, invalid, message, text, uint32 } from './protobuf-fields.ts';

interface ServiceLists {
  addresses: NetworkAddress[];
  ports: ServicePort[];
  subjectAltNames: string[];
  weightedWaypoints: WeightedWaypoint[];
}
export type ServiceDraft = Draft<Omit<Service, keyof ServiceLists>> & ServiceLists;
type LoadBalancingDraft = Draft<Omit<LoadBalancing, 'routingPreference'>> & {
  routingPreference: LoadBalancingScope[];
};
interface WeightedDraft {
  destination: GatewayAddress | undefined;
  weight: number;
}

const loadBalancingFields: Fields<LoadBalancingDraft> = {
  1: choices(
    'routing preference',
    [undefined, 'region', 'zone', 'subzone', 'node', 'cluster', 'network'],
    (balancing, value) => void balancing.routingPreference.push(value),
  ),
  2: choice('load balancing mode', ['standard', 'strict', 'failover', 'passthrough'], (balancing, value) => {
    balancing.mode = value;
  }),
  3: choice('health policy', ['only-healthy', 'allow-all'], (balancing, value) => {
    balancing.healthPolicy = value;
  }),
};

const weightedFields: Fields<WeightedDraft> = {
  1: gateway((weighted, value) => {
    weighted.destination = value;
  }),
  2: uint32((weighted, value) => {
    weighted.weight = value;
  }),
};

export const serviceFields: Fields<ServiceDraft> = {
  1: text((service, value) => {
    service.name = value;
  }),
  2: text((service, value) => {
    service.namespace = value;
  }),
  3: text((service, value) => {
    service.hostname = value;
  }),
  4: networkAddress((service, value) => void service.addresses.push(value)),
  5: servicePort((service, value) => void service.ports.push(value)),
  6: text((service, value) => void service.subjectAltNames.push(value)),
  7: gateway((service, value) => {
    service.waypoint = value;
  }),
  8: message(
    loadBalancingFields,
    (): LoadBalancingDraft => ({ mode: 'standard', routingPreference: [], healthPolicy: 'only-healthy' }),
    (service, value) => {
      service.loadBalancing = value;
    },
  ),
  9: choice('ip_families', ['automatic', 'ipv4', 'ipv6', 'dual'], (service, value) => {
    service.ipFamilies = value;
  }),
  11: bool((service, value) => {
    service.canonical = value;
  }),
  12: bool((service, value) => {
    service.ingressUseWaypoint = value;
  }),
  13: message(
    weightedFields,
    () => ({ destination: undefined, weight: 0 }),
    (service, { destination, weight }) => {
      if (destination === undefined) throw invalid('a weighted waypoint has no destination');
      service.weightedWaypoints.push({ destination, weight });
    },
  ),
  14: choice(
    'visibility',
    ['public', 'namespace'],
    (service, value) => {
      service.visibility = value;
    },
    'public',
  ),
};

export function draftService(): ServiceDraft {
  return {
    name: '',
    namespace: '',
    hostname: '',
    addresses: [],
    ports: [],
    subjectAltNames: [],
    waypoint: undefined,
    weightedWaypoints: [],
    loadBalancing: undefined,
    ipFamilies: 'automatic',
    canonical: false,
    ingressUseWaypoint: false,
    visibility: 'public',
  };
}

/** @throws MeshError RESOURCE_INVALID without a name to find it by */
export function checkService(service: ServiceDraft): Service {
  if (service.hostname === '') throw invalid('a service has no hostname');
  return service;
}
