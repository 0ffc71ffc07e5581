// Mixer's attributes of a TCP connection: their types, and their values for one report. In: what is known of the connection and how far it is.
// Out: a look-up by name; what is not known is absent. Labels of pods are those that the mesh has: app and version. Source: waypoint-telemetry.md §7.2.
import { identityOf } from '../../common/identity/identity.ts';
import type { PeerLabels } from '../../common/telemetry/tcp-labels.ts';
import { type ConnectionEnd, type ConnectionFacts, labelsOf } from '../connections/connection-facts.ts';

export type ValueType = 'string' | 'int' | 'double' | 'bool' | 'duration' | 'map';
export type Value = string | number | boolean | ReadonlyMap<string, string>;
/** Undefined: absent. */
export type AttributeLookUp = (name: string) => Value | undefined;

export interface ConnectionProgress {
  readonly event: 'open' | 'continue' | 'close';
  /** Since the report before. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly totalReceivedBytes: number;
  readonly totalSentBytes: number;
  readonly durationMs: number;
}

const ofEnd: Readonly<Record<string, ValueType>> = {
  ip: 'string',
  name: 'string',
  namespace: 'string',
  uid: 'string',
  principal: 'string',
  user: 'string',
  owner: 'string',
  serviceAccount: 'string',
  labels: 'map',
  'workload.name': 'string',
  'workload.namespace': 'string',
  'workload.uid': 'string',
};

const types: ReadonlyMap<string, ValueType> = new Map<string, ValueType>([
  ...Object.entries(ofEnd).flatMap(([name, type]): [string, ValueType][] => [
    [`source.${name}`, type],
    [`destination.${name}`, type],
  ]),
  ['destination.port', 'int'],
  ['destination.service.host', 'string'],
  ['destination.service.name', 'string'],
  ['destination.service.namespace', 'string'],
  ['destination.service.uid', 'string'],
  ['destination.container.name', 'string'],
  ['connection.sent.bytes', 'int'],
  ['connection.sent.bytes_total', 'int'],
  ['connection.received.bytes', 'int'],
  ['connection.received.bytes_total', 'int'],
  ['connection.event', 'string'],
  ['connection.duration', 'duration'],
  ['connection.id', 'string'],
  ['connection.mtls', 'bool'],
  ['connection.requested_server_name', 'string'],
  ['context.protocol', 'string'],
  ['context.proxy_error_code', 'string'],
  ['context.reporter.kind', 'string'],
  ['context.reporter.uid', 'string'],
  ['context.reporter.local', 'bool'],
  ['request.headers', 'map'],
  ['request.host', 'string'],
  ['request.method', 'string'],
  ['request.path', 'string'],
  ['response.code', 'int'],
]);

/** Undefined: there is no such attribute. */
export function typeOfAttribute(name: string): ValueType | undefined {
  return types.get(name);
}

export function attributesOf(facts: ConnectionFacts, progress: ConnectionProgress): AttributeLookUp {
  const { source, destination, service } = facts;
  const ends: Readonly<Record<string, ConnectionEnd>> = { source, destination };
  return (name) => {
    const dot = name.indexOf('.');
    const rest = name.slice(dot + 1);
    const end = ends[name.slice(0, dot)];
    if (name.startsWith('connection.')) return connectionAttribute(facts, progress, rest);
    if (name.startsWith('destination.service.')) {
      if (rest === 'service.host') return service?.hostname;
      if (rest === 'service.name') return service?.name;
      return rest === 'service.namespace' ? service?.namespace : undefined;
    }
    if (end !== undefined) return rest === 'port' ? end.address.port : endAttribute(end, rest) || undefined;
    if (name === 'context.protocol') return 'tcp';
    return name === 'context.reporter.kind' ? facts.direction : undefined;
  };
}

function connectionAttribute(
  { hboneAuthority }: ConnectionFacts,
  progress: ConnectionProgress,
  name: string,
): Value | undefined {
  switch (name) {
    case 'sent.bytes':
      return progress.sentBytes;
    case 'sent.bytes_total':
      return progress.totalSentBytes;
    case 'received.bytes':
      return progress.receivedBytes;
    case 'received.bytes_total':
      return progress.totalReceivedBytes;
    case 'event':
      return progress.event;
    case 'duration':
      return progress.event === 'close' ? progress.durationMs / 1_000 : undefined;
    case 'mtls':
      return hboneAuthority !== undefined;
    default:
      return undefined;
  }
}

function endAttribute(end: ConnectionEnd, name: string): Value | undefined {
  const labels = labelsOf(end);
  const { workload } = end;
  switch (name) {
    case 'ip':
      return end.address.ip;
    case 'name':
      return workload?.name;
    case 'uid':
      return workload && `kubernetes://${workload.name}.${workload.namespace}`;
    case 'namespace':
    case 'workload.namespace':
      return labels?.namespace;
    case 'workload.name':
      return labels?.workload;
    case 'serviceAccount':
      return workload?.serviceAccount;
    case 'principal':
    case 'user':
      return (end.identity ?? (workload && identityOf(workload)))?.uri.replace('spiffe://', '');
    case 'labels':
      return labels && labelMap(labels);
    default:
      return undefined;
  }
}

function labelMap({ app, version }: PeerLabels): ReadonlyMap<string, string> {
  return new Map([['app', app] as const, ['version', version] as const].filter(([, value]) => value !== ''));
}
