// What the mesh reads of a Pod: addresses, node, account, readiness and the TCP ports that have a name.
// A Kubernetes object in, the narrowed pod out. Source: istio-control.md §3.3.
import { type IpAddress, parseIp } from '../../net/address.ts';
import { Field } from '../field.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';

export interface ContainerPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
}

export interface Pod {
  readonly object: KubernetesObject;
  readonly phase: string;
  readonly addresses: readonly IpAddress[];
  readonly node: string;
  readonly serviceAccount: string;
  readonly hostNetwork: boolean;
  readonly ready: boolean;
  /** Of the containers and then of the native sidecars (init containers that are always restarted). */
  readonly ports: readonly ContainerPort[];
}

/** @throws MalformedField */
export function parsePod(object: KubernetesObject): Pod {
  const spec = new Field('spec', object.spec);
  const status = new Field('status', object.status);
  return {
    object,
    phase: status.at('phase').text(),
    addresses: podAddresses(status),
    node: spec.at('nodeName').text(),
    serviceAccount: spec.at('serviceAccountName').text() || spec.at('serviceAccount').text() || 'default',
    hostNetwork: spec.at('hostNetwork').flag(),
    ready: status
      .at('conditions')
      .items()
      .some((condition) => condition.at('type').text() === 'Ready' && condition.at('status').text() === 'True'),
    ports: parseContainerPorts(spec),
  };
}

/** @param spec of a pod or of a pod template */
export function parseContainerPorts(spec: Field): readonly ContainerPort[] {
  const sidecars = spec
    .at('initContainers')
    .items()
    .filter((container) => container.at('restartPolicy').text() === 'Always');
  return [...spec.at('containers').items(), ...sidecars]
    .flatMap((container) => container.at('ports').items())
    .map((port) => ({
      name: port.at('name').text(),
      port: port.at('containerPort').requiredPort(),
      protocol: port.at('protocol').oneOf(['TCP', 'UDP', 'SCTP'] as const) ?? 'TCP',
    }));
}

function podAddresses(status: Field): readonly IpAddress[] {
  const listed = status
    .at('podIPs')
    .items()
    .map((item) => item.at('ip'));
  const single = status.at('podIP');
  const fields = listed.length > 0 || single.isAbsent ? listed : [single];
  return fields.filter((field) => field.text() !== '').map(requiredIp);
}

export function requiredIp(field: Field): IpAddress {
  const ip = parseIp(field.text());
  if (ip === undefined) throw field.malformed('an IP address', 'write one like 10.0.0.1 or fd00::1');
  return ip;
}
