// What a workload says of itself to its peer, whichever way it says it: HBONE's baggage, `istio-peer-exchange` on TCP, or HTTP
// headers. One value, told and never proven; who somebody is says only the certificate. Source: waypoint-telemetry.md §1.6, §5.
import type { Baggage, WorkloadType } from '../hbone/baggage.ts';
import type { PeerLabels } from '../telemetry/tcp-labels.ts';

/** What is absent is "". */
export interface PeerMetadata extends Omit<Baggage, 'workloadType'> {
  readonly workloadType: WorkloadType | undefined;
  /** The pod. */
  readonly instanceName: string;
  /** A SPIFFE id, as claimed. */
  readonly identity: string;
  readonly app: string;
  readonly version: string;
}

export const noMetadata: PeerMetadata = {
  clusterId: '',
  namespace: '',
  workloadType: undefined,
  workloadName: '',
  canonicalName: '',
  canonicalRevision: '',
  region: '',
  zone: '',
  instanceName: '',
  identity: '',
  app: '',
  version: '',
};

/** Baggage has no labels of its own for app and version. */
export function metadataOfBaggage(baggage: Baggage): PeerMetadata {
  return { ...noMetadata, ...baggage, app: baggage.canonicalName, version: baggage.canonicalRevision };
}

/** A workload whose type nobody knows is written as a pod, as Envoy does. */
export function baggageOfMetadata(metadata: PeerMetadata): Baggage {
  const { clusterId, namespace, workloadType = 'pod', workloadName, region, zone, app, version } = metadata;
  const canonicalName = metadata.canonicalName || app;
  const canonicalRevision = metadata.canonicalRevision || version;
  return { clusterId, namespace, workloadType, workloadName, canonicalName, canonicalRevision, region, zone };
}

export function labelsOfMetadata(metadata: PeerMetadata): PeerLabels {
  const { workloadName, namespace, canonicalName, canonicalRevision, app, version, clusterId, region, zone } = metadata;
  return {
    workload: workloadName,
    namespace,
    canonicalName,
    canonicalRevision,
    app,
    version,
    cluster: clusterId,
    region,
    zone,
  };
}
