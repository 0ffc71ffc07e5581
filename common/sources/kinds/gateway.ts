// What the mesh reads of a Gateway: its class, listeners, and the addresses under which it can be reached.
// A Kubernetes object in, the narrowed gateway out. Source: istio-control.md §3.9.
import { Field } from '../field.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { type LabelSelector, parseLabelSelector } from './label-selector.ts';

export type AllowedNamespaces =
  | { readonly kind: 'same' }
  | { readonly kind: 'all' }
  | { readonly kind: 'selector'; readonly selector: LabelSelector };

export interface GatewayListener {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  readonly allowedNamespaces: AllowedNamespaces;
}

export interface GatewayStatusAddress {
  readonly type: string;
  readonly value: string;
}

export interface Gateway {
  readonly object: KubernetesObject;
  readonly className: string;
  readonly listeners: readonly GatewayListener[];
  readonly specAddresses: readonly GatewayStatusAddress[];
  /** Empty until something serves the gateway. */
  readonly statusAddresses: readonly GatewayStatusAddress[];
}

/** @throws MalformedField */
export function parseGateway(object: KubernetesObject): Gateway {
  const spec = new Field('spec', object.spec);
  return {
    object,
    className: spec.at('gatewayClassName').requiredText(),
    listeners: spec
      .at('listeners')
      .items()
      .map((listener) => ({
        name: listener.at('name').text(),
        port: listener.at('port').requiredPort(),
        protocol: listener.at('protocol').requiredText(),
        allowedNamespaces: parseAllowedNamespaces(listener.at('allowedRoutes').at('namespaces')),
      })),
    specAddresses: parseAddresses(spec.at('addresses')),
    statusAddresses: parseAddresses(new Field('status', object.status).at('addresses')),
  };
}

function parseAddresses(field: Field): readonly GatewayStatusAddress[] {
  return field.items().map((address) => ({
    type: address.at('type').text() || 'IPAddress',
    value: address.at('value').text(),
  }));
}

function parseAllowedNamespaces(field: Field): AllowedNamespaces {
  const from = field.at('from').oneOf(['Same', 'All', 'Selector', 'None'] as const) ?? 'Same';
  if (from === 'All') return { kind: 'all' };
  if (from === 'Selector') return { kind: 'selector', selector: parseLabelSelector(field.at('selector')) };
  return { kind: 'same' };
}
