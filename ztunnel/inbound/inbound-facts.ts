// What telemetry is told of a CONNECT into a pod: who asks (by the mesh, else by its baggage), who answers, and which
// service was meant. What baggage claims is judged. Source: ztunnel.md §10.
import type { ConnectRequest } from '../../common/hbone/hbone.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import type { Service } from '../../common/mesh/service.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { PeerClaims } from '../../common/peer/peer-claims.ts';
import type { ConnectionFacts } from '../connections/connection-facts.ts';
import { labelsOfPeer, type PeerHeaders } from './peer-headers.ts';

interface Proxy {
  readonly mesh: MeshView;
  readonly network: string;
  readonly peerClaims: Pick<PeerClaims, 'judge'>;
  readonly baggage: 'exchanged' | 'ignored';
}

/** What comes through a gateway of another network has the gateway's address, so that only baggage tells who asks. */
export function inboundFacts(
  { mesh, network, baggage, peerClaims }: Proxy,
  request: Pick<ConnectRequest, 'peerAddress' | 'peerIdentity' | 'localAddress' | 'localIdentity' | 'authority'>,
  workload: Workload,
  service: Service | undefined,
  peer: PeerHeaders,
): ConnectionFacts {
  const { peerAddress, localAddress, peerIdentity: identity } = request;
  const isFromHere = peer.network === undefined || peer.network.toLowerCase() === network.toLowerCase();
  const source = isFromHere ? mesh.workloadByAddress(network, peerAddress.ip) : undefined;
  // Counts only where the mesh knows nobody there.
  const labels = baggage === 'exchanged' && source === undefined ? labelsOfPeer(peer) : undefined;
  return {
    direction: 'inbound',
    source: {
      address: peerAddress,
      workload: source,
      claimed: labels && peerClaims.judge('baggage', labels, { address: peerAddress, identity }),
      identity,
    },
    destination: { address: localAddress, workload, claimed: undefined, identity: request.localIdentity },
    hboneAuthority: request.authority,
    service,
  };
}
