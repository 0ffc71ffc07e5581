// A Gateway as waypoint: its address, what it is for, who may attach, and how it wants to be entered.
// Any Gateway that has an address can serve, whatever its class or the state of its listeners (fixtures 22, 26, 28).

import type { ApplicationTunnel, GatewayAddress } from '../../mesh/workload.ts';
import { parseIp } from '../../net/address.ts';
import type { AllowedNamespaces, Gateway } from '../kinds/gateway.ts';
import type { ObjectMeta } from '../kubernetes-object.ts';

export const hbonePort = 15008;

export interface Waypoint {
  readonly name: string;
  readonly namespace: string;
  readonly address: GatewayAddress;
  /** `service`, `workload`, `all`, `none`, or a text that is none of these and admits nothing. */
  readonly trafficType: string;
  readonly allowedNamespaces: AllowedNamespaces;
  /** How the ztunnel of its instances hands connections over; undefined: as they are. */
  readonly inboundBinding: ApplicationTunnel | undefined;
}

/** Undefined for a gateway that has no address (yet). */
export function waypointOf(
  gateway: Gateway,
  gatewayClass: ObjectMeta | undefined,
  network: string,
): Waypoint | undefined {
  const { name, namespace, labels, annotations } = gateway.object.metadata;
  const address = addressOf(gateway, network);
  if (address === undefined) return undefined;
  const forLabel = 'istio.io/waypoint-for';
  const bindingAnnotation = 'ambient.istio.io/waypoint-inbound-binding';
  const inboundBinding = parseBinding(annotations[bindingAnnotation] ?? gatewayClass?.annotations[bindingAnnotation]);
  return {
    name,
    namespace,
    address,
    trafficType: labels[forLabel] ?? gatewayClass?.labels[forLabel] ?? 'service',
    allowedNamespaces: allowedNamespacesOf(gateway, inboundBinding),
    inboundBinding,
  };
}

function addressOf(gateway: Gateway, network: string): GatewayAddress | undefined {
  const { namespace } = gateway.object.metadata;
  for (const { type, value } of gateway.statusAddresses) {
    if (type === 'Hostname') {
      return { kind: 'hostname', hostname: { namespace, hostname: value }, hboneMtlsPort: hbonePort };
    }
  }
  for (const { value } of gateway.statusAddresses) {
    const ip = parseIp(value);
    if (ip !== undefined) return { kind: 'address', address: { network, ip }, hboneMtlsPort: hbonePort };
  }
  return undefined;
}

/** `PROXY`, `PROXY/15088`, `NONE`, `NONE/80`; anything else is no binding. */
function parseBinding(text: string | undefined): ApplicationTunnel | undefined {
  const match = /^(PROXY|NONE)(?:\/(\d{1,5}))?$/.exec(text ?? '');
  if (match === null) return undefined;
  const port = Number(match[2] ?? 0);
  if (port > 65535) return undefined;
  return { protocol: match[1] === 'PROXY' ? 'proxy' : 'none', port };
}

function allowedNamespacesOf(gateway: Gateway, binding: ApplicationTunnel | undefined): AllowedNamespaces {
  const bound =
    binding &&
    gateway.listeners.find((listener) =>
      binding.port > 0 ? listener.port === binding.port : listener.protocol === 'istio.io/PROXY',
    );
  const mesh = gateway.listeners.find((listener) => listener.protocol === 'HBONE' && listener.port === hbonePort);
  return (bound ?? mesh)?.allowedNamespaces ?? { kind: 'same' };
}
