// What the mesh reads of a Service: selector, ports, cluster addresses and how its endpoints are preferred.
// A Kubernetes object in, the narrowed service out; ExternalName services are marked, they are left to DNS.
import type { IpAddress } from '../../net/address.ts';
import { Field } from '../field.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import type { Labels } from './label-selector.ts';
import { requiredIp } from './pod.ts';

export type TargetPort =
  | { readonly kind: 'number'; readonly port: number }
  | { readonly kind: 'name'; readonly name: string };

export interface KubernetesServicePort {
  readonly name: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly targetPort: TargetPort;
  readonly appProtocol: string | undefined;
}

export interface KubernetesService {
  readonly object: KubernetesObject;
  readonly isExternalName: boolean;
  /** Empty: endpoints come from EndpointSlices. */
  readonly selector: Labels;
  readonly ports: readonly KubernetesServicePort[];
  readonly clusterIps: readonly IpAddress[];
  readonly ipFamilies: readonly string[];
  readonly internalTrafficPolicy: string;
  readonly trafficDistribution: string | undefined;
  readonly publishNotReadyAddresses: boolean;
}

/** @throws MalformedField */
export function parseService(object: KubernetesObject): KubernetesService {
  const spec = new Field('spec', object.spec);
  const isExternalName = spec.at('type').text() === 'ExternalName';
  return {
    object,
    isExternalName,
    selector: spec.at('selector').textMap(),
    ports: spec.at('ports').items().map(parseServicePort),
    clusterIps: isExternalName ? [] : clusterIps(spec),
    ipFamilies: spec.at('ipFamilies').texts(),
    internalTrafficPolicy: spec.at('internalTrafficPolicy').text(),
    trafficDistribution: spec.at('trafficDistribution').text() || undefined,
    publishNotReadyAddresses: spec.at('publishNotReadyAddresses').flag(),
  };
}

function parseServicePort(field: Field): KubernetesServicePort {
  const port = field.at('port').requiredPort();
  return {
    name: field.at('name').text(),
    port,
    protocol: field.at('protocol').oneOf(['TCP', 'UDP', 'SCTP'] as const) ?? 'TCP',
    targetPort: parseTargetPort(field.at('targetPort'), port),
    appProtocol: field.at('appProtocol').text() || undefined,
  };
}

function parseTargetPort(field: Field, servicePort: number): TargetPort {
  if (field.isAbsent) return { kind: 'number', port: servicePort };
  if (typeof field.value === 'number') return { kind: 'number', port: field.requiredPort() };
  const isPortName = typeof field.value === 'string' && /^(?=.*[a-z])[a-z0-9-]{1,15}$/.test(field.value);
  if (isPortName) return { kind: 'name', name: field.text() };
  throw field.malformed(
    'a port number or the name of a container port',
    'write a number from 1 to 65535 without quotes, or the name of a port of the selected pods',
  );
}

function clusterIps(spec: Field): readonly IpAddress[] {
  const listed = spec.at('clusterIPs').items();
  const fields = listed.length > 0 ? listed : [spec.at('clusterIP')];
  return fields.filter((field) => field.text() !== '' && field.text() !== 'None').map(requiredIp);
}
