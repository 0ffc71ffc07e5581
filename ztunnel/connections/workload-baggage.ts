// A workload as its own baggage, and a peer's baggage as metric labels (ztunnel.md §3.3, §10): there the application is the
// workload's name, since baggage carries no label of its own for it.
import { type Baggage, formatBaggage, parseBaggage } from '../../common/hbone/baggage.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { PeerLabels } from '../../common/telemetry/tcp-labels.ts';

export function baggageOf(workload: Workload): Baggage {
  const { clusterId, namespace, workloadType, workloadName, canonicalName, canonicalRevision, locality } = workload;
  const { region = '', zone = '' } = locality ?? {};
  return { clusterId, namespace, workloadType, workloadName, canonicalName, canonicalRevision, region, zone };
}

/** Made once for each workload: it never changes, and every connection tells it. */
const texts = new WeakMap<Workload, string>();

export function baggageText(workload: Workload): string {
  const known = texts.get(workload);
  if (known !== undefined) return known;
  const text = formatBaggage(baggageOf(workload));
  texts.set(workload, text);
  return text;
}

/** Peers say the same of themselves with each connection. */
const claims = new Map<string, PeerLabels>();
const maxClaims = 1_024;
const maxClaimLength = 1_024;

export function labelsOfClaim(lines: readonly string[]): PeerLabels {
  const [first = ''] = lines;
  if (lines.length !== 1 || first.length > maxClaimLength) return labelsOfBaggage(parseBaggage(lines));
  const known = claims.get(first);
  if (known !== undefined) return known;
  const labels = labelsOfBaggage(parseBaggage(lines));
  if (claims.size >= maxClaims) claims.clear();
  claims.set(first, labels);
  return labels;
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
