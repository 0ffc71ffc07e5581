// A ServiceEntry: hosts outside the services of the cluster, with addresses, ports and endpoints.
// A Kubernetes object in, the narrowed entry out. Source: istio-control.md §3.5, §3.8.
import { type IpRange, parseCidr } from '../../net/cidr.ts';
import { Field } from '../field.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import type { Labels } from './label-selector.ts';

export interface ServiceEntryPort {
  readonly name: string;
  readonly number: number;
  readonly protocol: string;
  readonly targetPort: number | undefined;
}

/** An endpoint written into a ServiceEntry, or what a WorkloadEntry describes. */
export interface EntryEndpoint {
  /** IP address or host name. */
  readonly address: string;
  readonly ports: Readonly<Record<string, number>>;
  readonly labels: Labels;
  readonly network: string;
  /** `region/zone/subzone`. */
  readonly locality: string;
  readonly weight: number | undefined;
  readonly serviceAccount: string;
}

export type Resolution = 'NONE' | 'STATIC' | 'DNS' | 'DNS_ROUND_ROBIN' | 'DYNAMIC_DNS';

export interface ServiceEntry {
  readonly object: KubernetesObject;
  readonly hosts: readonly string[];
  readonly addresses: readonly { readonly range: IpRange; readonly isRange: boolean }[];
  readonly ports: readonly ServiceEntryPort[];
  readonly resolution: Resolution;
  readonly endpoints: readonly EntryEndpoint[];
  /** Undefined: endpoints are those written into the entry. */
  readonly workloadSelector: Labels | undefined;
  readonly subjectAltNames: readonly string[];
  /** Addresses that were allocated for its hosts. */
  readonly allocated: readonly { readonly host: string; readonly value: string }[];
}

/** @throws MalformedField */
export function parseServiceEntry(object: KubernetesObject): ServiceEntry {
  const spec = new Field('spec', object.spec);
  const resolution = spec.at('resolution').oneOf(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'] as const);
  const selector = spec.at('workloadSelector');
  return {
    object,
    hosts: spec
      .at('hosts')
      .items()
      .map((host) => host.requiredText()),
    addresses: spec.at('addresses').items().map(parseAddress),
    ports: spec.at('ports').items().map(parsePort),
    resolution: resolution ?? 'NONE',
    endpoints: spec.at('endpoints').items().map(parseEntryEndpoint),
    workloadSelector: selector.isAbsent ? undefined : selector.at('labels').textMap(),
    subjectAltNames: spec.at('subjectAltNames').texts(),
    allocated: new Field('status', object.status)
      .at('addresses')
      .items()
      .map((item) => ({ host: item.at('host').text(), value: item.at('value').text() })),
  };
}

/** @throws MalformedField */
export function parseEntryEndpoint(field: Field): EntryEndpoint {
  const ports = field.at('ports').entries();
  return {
    address: field.at('address').text(),
    ports: Object.fromEntries(ports.map(([name, port]) => [name, port.requiredPort()])),
    labels: field.at('labels').textMap(),
    network: field.at('network').text(),
    locality: field.at('locality').text(),
    weight: field.at('weight').number(0, 2 ** 32 - 1),
    serviceAccount: field.at('serviceAccount').text(),
  };
}

function parseAddress(field: Field): ServiceEntry['addresses'][number] {
  const text = field.text();
  const range = parseCidr(text);
  if (range === undefined) throw field.malformed('an IP address or range', 'write one like 10.0.0.1 or 10.0.0.0/8');
  return { range, isRange: text.includes('/') };
}

function parsePort(field: Field): ServiceEntryPort {
  return {
    name: field.at('name').text(),
    number: field.at('number').requiredPort(),
    protocol: field.at('protocol').text(),
    targetPort: field.at('targetPort').number(0, 65535) || undefined,
  };
}
