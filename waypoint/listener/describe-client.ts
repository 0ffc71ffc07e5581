// Who stands behind a tunnel stream: the workload of its address, else what it says of itself, in baggage or in HTTP headers: labels only,
// and none that its certificate belies; who it is, is the certificate's word alone. In: a CONNECT request or headers, and the mesh.
// Out: the client's workload. Source: waypoint-telemetry.md §1.8, §5.2, §5.5.
import { parseBaggage } from '../../common/hbone/baggage.ts';
import type { ConnectRequest } from '../../common/hbone/hbone.ts';
import type { Identity } from '../../common/identity/identity.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { PeerClaims } from '../../common/peer/peer-claims.ts';
import { readPeerHeaders } from '../../common/peer/peer-headers.ts';
import { baggageOfMetadata, metadataOfBaggage, type PeerMetadata } from '../../common/peer/peer-metadata.ts';
import { describedWorkload } from '../described-workload.ts';
import type { Downstream } from '../served-target.ts';

export interface Surroundings {
  readonly mesh: MeshView;
  /** Of this waypoint. */
  readonly network: string;
  readonly peerClaims: Pick<PeerClaims, 'judge'>;
}

export function describeClient(
  { mesh, network, peerClaims }: Surroundings,
  request: Pick<ConnectRequest, 'headers' | 'peerAddress' | 'peerIdentity'>,
): Workload | undefined {
  const valuesOf = (name: string): string[] =>
    request.headers.flatMap(([header, value]) => (header === name ? [value] : []));
  const origin = valuesOf('x-forwarded-network')[0];
  // Addresses of another network may be the same as ours.
  const isLocal = origin === undefined || origin.toLowerCase() === network.toLowerCase();
  const known = isLocal ? mesh.workloadByAddress(network, request.peerAddress.ip) : undefined;
  if (known !== undefined) return known;
  const { peerAddress: address, peerIdentity: identity } = request;
  const told = metadataOfBaggage(parseBaggage(valuesOf('baggage')));
  if (isNameless(told)) return undefined;
  const believed = peerClaims.judge('baggage', told, { address, identity });
  return believed && workloadOf(believed, identity, origin ?? network);
}

/** @param header value by lower-case name. The same downstream, where the client is known or tells nothing. */
export function describeByHeaders(
  { network, peerClaims }: Omit<Surroundings, 'mesh'>,
  downstream: Downstream,
  header: (name: string) => string | undefined,
): Downstream {
  if (downstream.workload !== undefined) return downstream;
  const told = readPeerHeaders(header)?.metadata;
  if (told === undefined || isNameless(told)) return downstream;
  const { address, identity } = downstream;
  const believed = peerClaims.judge('headers', told, { address, identity });
  return believed === undefined ? downstream : { ...downstream, workload: workloadOf(believed, identity, network) };
}

function isNameless({ workloadName, canonicalName, app }: PeerMetadata): boolean {
  return workloadName === '' && canonicalName === '' && app === '';
}

function workloadOf(metadata: PeerMetadata, identity: Identity | undefined, network: string): Workload {
  return describedWorkload({
    ...baggageOfMetadata(metadata),
    name: metadata.instanceName,
    namespace: identity?.namespace ?? metadata.namespace,
    serviceAccount: identity?.serviceAccount ?? 'default',
    trustDomain: identity?.trustDomain ?? 'cluster.local',
    network,
    node: '',
  });
}
