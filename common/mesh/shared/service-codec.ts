// A service as a record of the shared mesh, and back. Writing and reading go through the fields in one order.
import type { LoadBalancing, LoadBalancingScope, Service } from '../service.ts';
import { choicesOf } from './choices.ts';
import {
  readGateway,
  readNetworkAddress,
  readPorts,
  writeGateway,
  writeNetworkAddress,
  writePorts,
} from './gateway-codec.ts';
import type { RecordReader } from './record-reader.ts';
import type { RecordWriter } from './record-writer.ts';

const modes = choicesOf<LoadBalancing['mode']>({ standard: 0, strict: 1, failover: 2, passthrough: 3 });
const scopes = choicesOf<LoadBalancingScope>({ region: 0, zone: 1, subzone: 2, node: 3, cluster: 4, network: 5 });
const healthPolicies = choicesOf<LoadBalancing['healthPolicy']>({ 'only-healthy': 0, 'allow-all': 1 });
const ipFamilies = choicesOf<Service['ipFamilies']>({ automatic: 0, ipv4: 1, ipv6: 2, dual: 3 });
const visibilities = choicesOf<Service['visibility']>({ public: 0, namespace: 1 });

type Written = Pick<
  Service,
  | 'name'
  | 'namespace'
  | 'hostname'
  | 'addresses'
  | 'ports'
  | 'subjectAltNames'
  | 'waypoint'
  | 'weightedWaypoints'
  | 'loadBalancing'
  | 'ipFamilies'
  | 'canonical'
  | 'ingressUseWaypoint'
  | 'visibility'
>;
/** A field that a service gets some day and that is not written here does not type-check. */
true satisfies [Exclude<keyof Service, keyof Written>] extends [never] ? true : never;

export function writeService(writer: RecordWriter, service: Written): void {
  writer.text(service.name);
  writer.shared(service.namespace);
  writer.text(service.hostname);
  writer.list(service.addresses, (address) => writeNetworkAddress(writer, address));
  writePorts(writer, service.ports);
  writer.list(service.subjectAltNames, (name) => writer.text(name));
  writer.optional(service.waypoint, (gateway) => writeGateway(writer, gateway));
  writer.list(service.weightedWaypoints, ({ destination, weight }) => {
    writeGateway(writer, destination);
    writer.number(weight);
  });
  writer.optional(service.loadBalancing, (balancing) => writeLoadBalancing(writer, balancing));
  writer.choice(ipFamilies, service.ipFamilies);
  writer.flag(service.canonical);
  writer.flag(service.ingressUseWaypoint);
  writer.choice(visibilities, service.visibility);
}

export function readService(reader: RecordReader): Service {
  return {
    name: reader.text(),
    namespace: reader.shared(),
    hostname: reader.text(),
    addresses: reader.list(() => readNetworkAddress(reader)),
    ports: readPorts(reader),
    subjectAltNames: reader.list(() => reader.text()),
    waypoint: reader.optional(() => readGateway(reader)),
    weightedWaypoints: reader.list(() => ({ destination: readGateway(reader), weight: reader.number() })),
    loadBalancing: reader.optional(() => readLoadBalancing(reader)),
    ipFamilies: reader.choice(ipFamilies),
    canonical: reader.flag(),
    ingressUseWaypoint: reader.flag(),
    visibility: reader.choice(visibilities),
  };
}

function writeLoadBalancing(writer: RecordWriter, balancing: LoadBalancing): void {
  writer.choice(modes, balancing.mode);
  writer.list(balancing.routingPreference, (scope) => writer.choice(scopes, scope));
  writer.choice(healthPolicies, balancing.healthPolicy);
}

function readLoadBalancing(reader: RecordReader): LoadBalancing {
  return {
    mode: reader.choice(modes),
    routingPreference: reader.list(() => reader.choice(scopes)),
    healthPolicy: reader.choice(healthPolicies),
  };
}
