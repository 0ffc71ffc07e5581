// The labels of ztunnel's istio_tcp_* metrics, names and order as Istio's ztunnel writes them (ztunnel.md §10).
// In: what is known of both ends of a connection. Out: label names and values; what is not known is `unknown`.
import type { Identity } from '../identity/identity.ts';
import type { Service } from '../mesh/service.ts';
import type { Workload } from '../mesh/workload.ts';
import type { LabelValues } from './recorder.ts';

/** How one end of a connection appears in labels. */
export interface PeerLabels {
  readonly workload: string;
  readonly namespace: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly app: string;
  readonly version: string;
  readonly cluster: string;
  readonly region: string;
  readonly zone: string;
}

export interface TcpConnectionFacts {
  readonly reporter: 'source' | 'destination';
  readonly source: PeerLabels | undefined;
  /** Only from a verified certificate, ours or the peer's. */
  readonly sourceIdentity: Identity | undefined;
  readonly destination: PeerLabels | undefined;
  readonly destinationIdentity: Identity | undefined;
  /** The service that was addressed (source), or guessed from the port (destination). */
  readonly service: Pick<Service, 'name' | 'namespace' | 'hostname'> | undefined;
  readonly security: 'mutual_tls' | 'unknown';
}

/** The label names of one connection's series, and their values once its outcome is known. */
export interface TcpLabelSet {
  readonly names: readonly string[];
  valuesFor(responseFlag: string): LabelValues;
}

const peerNames = (side: 'source' | 'destination'): readonly string[] =>
  [
    'workload',
    'canonical_service',
    'canonical_revision',
    'workload_namespace',
    'principal',
    'app',
    'version',
    'cluster',
  ].map((name) => `${side}_${name}`);

const names: readonly string[] = [
  'reporter',
  ...peerNames('source'),
  'destination_service',
  'destination_service_namespace',
  'destination_service_name',
  ...peerNames('destination'),
  'request_protocol',
  'response_flags',
  'connection_security_policy',
];
const namesWithLocality: readonly string[] = [
  ...names,
  'source_region',
  'source_zone',
  'destination_region',
  'destination_zone',
];
const flagIndex = names.indexOf('response_flags');

/** Nearly every connection is like one before it: its labels are made once, while both ends are the same objects. */
let madeBefore = new WeakMap<object, WeakMap<object, Made[]>>();
let madeCount = 0;
const maxMade = 1_024;
/** Of one pair of ends; their identities may be many where the mesh does not know them. */
const maxMadePerPair = 16;
/** Who is not known. */
const nobody = {};

interface Made {
  readonly facts: TcpConnectionFacts;
  readonly set: TcpLabelSet;
}

export function ztunnelTcpLabels(facts: TcpConnectionFacts): TcpLabelSet {
  const ofSource = getOrMake(madeBefore, facts.source ?? nobody, () => new WeakMap<object, Made[]>());
  const ofPair = getOrMake(ofSource, facts.destination ?? nobody, (): Made[] => []);
  const known = ofPair.find((made) => areAlike(made.facts, facts));
  if (known !== undefined) return known.set;
  const set = makeLabels(facts);
  if (ofPair.length === maxMadePerPair) ofPair.shift();
  ofPair.push({ facts, set });
  madeCount += 1;
  if (madeCount === maxMade) {
    madeBefore = new WeakMap();
    madeCount = 0;
  }
  return set;
}

function areAlike(a: TcpConnectionFacts, b: TcpConnectionFacts): boolean {
  return (
    a.reporter === b.reporter &&
    a.security === b.security &&
    a.service?.hostname === b.service?.hostname &&
    a.service?.namespace === b.service?.namespace &&
    a.sourceIdentity?.uri === b.sourceIdentity?.uri &&
    a.destinationIdentity?.uri === b.destinationIdentity?.uri
  );
}

function getOrMake<K extends WeakKey, V>(map: WeakMap<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function makeLabels(facts: TcpConnectionFacts): TcpLabelSet {
  const { source, destination, service } = facts;
  const values: string[] = [
    facts.reporter,
    ...peerValues(source, facts.sourceIdentity),
    known(service?.hostname),
    known(service?.namespace),
    known(service?.name),
    ...peerValues(destination, facts.destinationIdentity),
    'tcp',
    '-',
    facts.security,
  ];
  // As ztunnel was seen to do: with an end that is known, wherever it is.
  const isLocated = source !== undefined || destination !== undefined;
  if (isLocated) {
    values.push(known(source?.region), known(source?.zone), known(destination?.region), known(destination?.zone));
  }
  return { names: isLocated ? namesWithLocality : names, valuesFor: valuesByFlag(values, flagIndex) };
}

/** The same flag gives the same object. */
export function valuesByFlag(values: LabelValues, index: number): TcpLabelSet['valuesFor'] {
  const byFlag = new Map<string, LabelValues>([[values[index] ?? '', values]]);
  return (flag) => {
    const known = byFlag.get(flag);
    if (known !== undefined) return known;
    const changed = values.with(index, flag);
    byFlag.set(flag, changed);
    return changed;
  };
}

const labelsOfWorkloads = new WeakMap<Workload, PeerLabels>();

/** The same workload gives the same object. */
export function peerLabelsOf(workload: Workload): PeerLabels {
  return getOrMake(labelsOfWorkloads, workload, () => ({
    workload: workload.workloadName,
    namespace: workload.namespace,
    canonicalName: workload.canonicalName,
    canonicalRevision: workload.canonicalRevision,
    app: workload.canonicalName,
    version: workload.canonicalRevision,
    cluster: workload.clusterId,
    region: workload.locality?.region ?? '',
    zone: workload.locality?.zone ?? '',
  }));
}

function peerValues(peer: PeerLabels | undefined, identity: Identity | undefined): string[] {
  return [
    known(peer?.workload),
    known(peer?.canonicalName),
    known(peer?.canonicalRevision),
    known(peer?.namespace),
    known(identity?.uri),
    known(peer?.app),
    known(peer?.version),
    known(peer?.cluster),
  ];
}

const known = (value: string | undefined): string => value || 'unknown';
