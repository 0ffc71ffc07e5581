// A workload as it tells of itself to its peers, by whichever way. In: the workload as the mesh knows it. Out: metadata, and Envoy's
// node id, which its readers take for a name only. Source: waypoint-telemetry.md §1.6, §5.1.
import { identityOf } from '../identity/identity.ts';
import type { Workload } from '../mesh/workload.ts';
import type { ToldPeer } from './peer-exchange-codec.ts';
import type { PeerMetadata } from './peer-metadata.ts';

/** The mesh knows no labels `app` and `version`: as in Envoy's discovery, the canonical names stand for them (§1.8). */
export function metadataOfWorkload(workload: Workload): PeerMetadata {
  const { clusterId, namespace, workloadType, workloadName, canonicalName, canonicalRevision, locality } = workload;
  const { region = '', zone = '' } = locality ?? {};
  return {
    ...{ clusterId, namespace, workloadType, workloadName, canonicalName, canonicalRevision, region, zone },
    instanceName: workload.name,
    identity: identityOf(workload).uri,
    app: canonicalName,
    version: canonicalRevision,
  };
}

/** Made once for each: a workload never changes, and every connection tells it. */
const told = { ztunnel: new WeakMap<Workload, ToldPeer>(), waypoint: new WeakMap<Workload, ToldPeer>() };

/** @param proxy which kind of proxy speaks for the workload */
export function peerOfWorkload(proxy: 'ztunnel' | 'waypoint', workload: Workload): ToldPeer {
  const known = told[proxy].get(workload);
  if (known !== undefined) return known;
  const { name, namespace, addresses } = workload;
  const nodeId = [proxy, addresses[0] ?? '', `${name}.${namespace}`, `${namespace}.svc.cluster.local`].join('~');
  const peer = { metadata: metadataOfWorkload(workload), nodeId };
  told[proxy].set(workload, peer);
  return peer;
}
