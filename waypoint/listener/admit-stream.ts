// Takes a CONNECT, refuses what this waypoint does not serve, and finds out what the accepted stream speaks.
// In: tunnel requests. Out: streams with their client, target and protocol. Source: waypoint-telemetry.md §8.1 steps 1 and 2.
import { MeshError } from '../../common/errors.ts';
import type { ConnectRequest } from '../../common/hbone/hbone.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import type { ByteStream } from '../../common/net/byte-stream.ts';
import { peekStream } from '../../common/net/peek-stream.ts';
import type { PeerClaims } from '../../common/peer/peer-claims.ts';
import type { Downstream } from '../served-target.ts';
import { describeClient } from './describe-client.ts';
import { findServedTarget, type WaypointName } from './find-served-target.ts';
import { protocolAfterSilence, type SniffedProtocol, sniffProtocol } from './protocol-sniff.ts';

export interface AdmissionOptions {
  readonly mesh: MeshView;
  readonly waypoint: WaypointName;
  readonly peerClaims: Pick<PeerClaims, 'judge'>;
  readonly onRefused: (request: ConnectRequest, error: MeshError) => void;
  /** How long a connection of undeclared protocol may be silent before it counts as server-first. */
  readonly silenceMs: number;
  readonly onStream: (stream: ByteStream, protocol: SniffedProtocol, downstream: Downstream) => void;
}

export function createAdmission(options: AdmissionOptions): (request: ConnectRequest) => void {
  return (request) => {
    const admitted = admit(options, request);
    if (admitted instanceof MeshError) {
      request.reject(admitted.onTheWire.connectStatus);
      options.onRefused(request, admitted);
      return;
    }
    // As Istio's waypoint: the tunnel is accepted first; failures of the upstream are HTTP's to tell.
    void sniff(options, request.accept([]), admitted);
  };
}

function admit({ mesh, waypoint, peerClaims }: AdmissionOptions, request: ConnectRequest): Downstream | MeshError {
  if (request.method !== 'CONNECT') {
    return new MeshError('METHOD_NOT_CONNECT', `a tunnel stream began with ${request.method}; only CONNECT is served`);
  }
  const workload = describeClient({ mesh, network: waypoint.network, peerClaims }, request);
  const clientNamespace = request.peerIdentity?.namespace ?? workload?.namespace;
  const decision = findServedTarget(mesh, waypoint, request.authority, clientNamespace);
  if (decision.kind === 'refused') {
    return new MeshError(decision.code, `CONNECT ${request.authority} refused: ${decision.detail}`);
  }
  return {
    identity: request.peerIdentity,
    localIdentity: request.localIdentity,
    address: request.peerAddress,
    workload,
    target: decision.target,
  };
}

async function sniff(options: AdmissionOptions, accepted: ByteStream, downstream: Downstream): Promise<void> {
  const { appProtocol } = downstream.target;
  const declared = sniffProtocol(appProtocol, Buffer.alloc(0));
  if (declared === 'opaque') {
    options.onStream(accepted, declared, downstream);
    return;
  }
  const peeked = await peekStream<SniffedProtocol>(
    accepted,
    (start) => sniffProtocol(appProtocol, start),
    (why) => (why === 'silent' ? protocolAfterSilence(appProtocol) : 'opaque'),
    options.silenceMs,
  );
  if (peeked !== undefined) options.onStream(peeked.stream, peeked.decision, downstream);
}
