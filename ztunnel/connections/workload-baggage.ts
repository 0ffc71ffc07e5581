// A workload as its own baggage, and a peer's baggage as metric labels (ztunnel.md §3.3, §10): there the application is the
// workload's name, since baggage carries no label of its own for it.
import type { Baggage } from '../../common/hbone/baggage.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { PeerLabels } from '../../common/telemetry/tcp-labels.ts';

export function baggageOf(workload: Workload): Baggage {
  const { clusterId, namespace, workloadType, workloadName, canonicalName, canonicalRevision, locality } = workload;
  const { region = '', zone = '' } = locality ?? {};
  return { clusterId, namespace, workloadType, workloadName, canonicalName, canonicalRevision, region, zone };
}

export function labelsOfBaggage(baggage: Baggage): PeerLabels {
  const { workloadName, canonicalName, canonicalRevision, namespace, clusterId, region, zone } = baggage;
  return {
    workload: workloadName,
    namespace,
    canonicalName,
    canonicalRevision,
    app: workloadName,
    version: canonicalRevision,
    cluster: clusterId,
    region,
    zone,
  };
}
