// An EndpointSlice: endpoints of a Service that were written by hand or by another controller, and those that are pods.
// A Kubernetes object in, the narrowed slice out. Source: istio-control.md §3.6.
import { type IpAddress, parseIp } from '../../net/address.ts';
import { Field } from '../field.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';

export interface EndpointTarget {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface SliceEndpoint {
  readonly addresses: readonly IpAddress[];
  readonly ready: boolean;
  readonly target: EndpointTarget | undefined;
}

export interface EndpointSlice {
  readonly object: KubernetesObject;
  /** "" where the slice belongs to none. */
  readonly serviceName: string;
  readonly addressType: string;
  readonly ports: readonly { readonly name: string; readonly port: number | undefined; readonly protocol: string }[];
  readonly endpoints: readonly SliceEndpoint[];
}

/** @throws MalformedField */
export function parseEndpointSlice(object: KubernetesObject): EndpointSlice {
  const root = new Field('', object.raw);
  return {
    object,
    serviceName: object.metadata.labels['kubernetes.io/service-name'] ?? '',
    addressType: root.at('addressType').text(),
    ports: root
      .at('ports')
      .items()
      .map((port) => ({
        name: port.at('name').text(),
        port: port.at('port').number(1, 65535),
        protocol: port.at('protocol').text() || 'TCP',
      })),
    endpoints: root.at('endpoints').items().map(parseEndpoint),
  };
}

function parseEndpoint(field: Field): SliceEndpoint {
  const target = field.at('targetRef');
  return {
    // A slice of addressType FQDN holds host names; they are not used.
    addresses: field
      .at('addresses')
      .texts()
      .flatMap((text) => parseIp(text) ?? []),
    ready: field.at('conditions').at('ready').isAbsent || field.at('conditions').at('ready').flag(),
    target: target.isAbsent
      ? undefined
      : {
          kind: target.at('kind').text(),
          namespace: target.at('namespace').text(),
          name: target.at('name').text(),
          uid: target.at('uid').text(),
        },
  };
}
