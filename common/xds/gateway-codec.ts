// The parts that workloads and services of istio.workload have in common: addresses in a network, gateways, ports
// (ztunnel.md §6.6). Protobuf bytes in, mesh values out; what contradicts itself is refused with the reason.
import type { AppProtocol, GatewayAddress, NamespacedHostname, NetworkAddress, ServicePort } from '../mesh/workload.ts';
import { type IpAddress, ipFromBytes } from '../net/address.ts';
import { bitsOf } from '../net/cidr.ts';
import {
  bytes,
  choice,
  type Field,
  type Fields,
  invalid,
  message,
  sharedMessage,
  sharedText,
  text,
  uint32,
} from './protobuf-fields.ts';

export type Draft<T> = { -readonly [K in keyof T]: T[K] };

interface AddressDraft {
  network: string;
  ip: IpAddress | undefined;
  prefixLength: number | undefined;
}

const addressFields: Fields<AddressDraft> = {
  1: sharedText((address, value) => {
    address.network = value;
  }),
  2: bytes((address, value) => {
    address.ip = readIp(value);
  }),
  3: uint32((address, value) => {
    address.prefixLength = value;
  }),
};

export function networkAddress<T>(put: (target: T, value: NetworkAddress) => void): Field<T> {
  const create = (): AddressDraft => ({ network: '', ip: undefined, prefixLength: undefined });
  return message(addressFields, create, (target, draft) => put(target, checkAddress(draft)));
}

function checkAddress({ network, ip, prefixLength }: AddressDraft): NetworkAddress {
  if (ip === undefined) throw invalid('a network address has no bytes');
  if (prefixLength === undefined) return { network, ip };
  if (prefixLength > bitsOf(ip)) throw invalid(`${ip}/${prefixLength} is no CIDR range`);
  return { network, ip, prefixLength };
}

export function readIp(value: Uint8Array): IpAddress {
  const ip = ipFromBytes(value);
  if (ip === undefined) throw invalid(`an address has ${value.length} bytes instead of 4 or 16`);
  return ip;
}

const hostnameFields: Fields<Draft<NamespacedHostname>> = {
  1: text((reference, value) => {
    reference.namespace = value;
  }),
  2: text((reference, value) => {
    reference.hostname = value;
  }),
};

interface GatewayDraft {
  destination:
    | { readonly kind: 'hostname'; readonly hostname: NamespacedHostname }
    | { readonly kind: 'address'; readonly address: NetworkAddress }
    | undefined;
  hboneMtlsPort: number;
}

const gatewayFields: Fields<GatewayDraft> = {
  1: message(
    hostnameFields,
    () => ({ namespace: '', hostname: '' }),
    (gateway, hostname) => {
      gateway.destination = { kind: 'hostname', hostname };
    },
  ),
  2: networkAddress((gateway, address) => {
    gateway.destination = { kind: 'address', address };
  }),
  3: uint32((gateway, value) => {
    gateway.hboneMtlsPort = checkPort(value);
  }),
};

export function gateway<T>(put: (target: T, value: GatewayAddress) => void): Field<T> {
  const create = (): GatewayDraft => ({ destination: undefined, hboneMtlsPort: 0 });
  const finish = ({ destination, hboneMtlsPort }: GatewayDraft): GatewayAddress => {
    if (destination === undefined) throw invalid('a gateway has neither hostname nor address');
    return { ...destination, hboneMtlsPort };
  };
  return sharedMessage(gatewayFields, create, finish, put);
}

const appProtocols: readonly AppProtocol[] = ['unknown', 'http11', 'http2', 'grpc', 'tcp', 'tls'];

const portFields: Fields<Draft<ServicePort>> = {
  1: uint32((port, value) => {
    port.servicePort = checkPort(value);
  }),
  2: uint32((port, value) => {
    port.targetPort = checkPort(value);
  }),
  // Only a hint: one that a later version adds is no reason to refuse the service.
  3: choice(
    'app_protocol',
    appProtocols,
    (port, value) => {
      port.appProtocol = value;
    },
    'unknown',
  ),
};

export function servicePort<T>(put: (target: T, value: ServicePort) => void): Field<T> {
  const create = (): ServicePort => ({ servicePort: 0, targetPort: 0, appProtocol: 'unknown' });
  return message<T, Draft<ServicePort>>(portFields, create, put);
}

/** Cutting it to 16 bits, as ztunnel does, would mean another port. */
export function checkPort(value: number): number {
  if (value > 65_535) throw invalid(`${value} is no port`);
  return value;
}
