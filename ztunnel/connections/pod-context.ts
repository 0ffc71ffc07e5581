// What every connection of one pod needs, whichever way it goes: the pod's sockets and workload, the mesh, and where to
// tell what happened.
import type { Gate } from '../../common/gate.ts';
import type { CertificateSource } from '../../common/identity/certificate.ts';
import type { MeshDemand } from '../../common/mesh/mesh-demand.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { SocketFactory } from '../../common/net/socket-factory.ts';
import type { PeerClaims } from '../../common/peer/peer-claims.ts';
import type { Series } from '../../common/telemetry/recorder.ts';
import type { PeerRevocations } from '../../common/tls/peer-revocations-socket.ts';
import type { IllegalPorts } from '../illegal-ports.ts';
import type { ConnectionJournal } from './connection-journal.ts';
import type { ConnectionTracker } from './connection-tracker.ts';
import type { LocalWorkload } from './local-workload.ts';
import type { OriginalSource } from './original-source.ts';

export interface PodContext {
  readonly mesh: MeshView;
  /** Where the mesh is known in parts only: asked for what a decision would miss, before it is made. */
  readonly demand?: MeshDemand | undefined;
  /** The network of this proxy. */
  readonly network: string;
  readonly workload: LocalWorkload;
  readonly sockets: SocketFactory;
  readonly certificates: CertificateSource;
  /** CRL_PATH. */
  readonly revocations?: PeerRevocations | undefined;
  readonly peerClaims: PeerClaims;
  readonly illegalPorts: IllegalPorts;
  readonly tracker: ConnectionTracker;
  readonly journal: ConnectionJournal;
  readonly originalSource: OriginalSource;
  /** Accepted connections wait for it: all of the pod's listeners stand before any serves. */
  readonly serving: Gate;
  /** `istio_tcp_sockets_open` by reporter. */
  readonly openSockets: { readonly source: Series; readonly destination: Series };
}

/** The pod, where its connections need not wait: it is served, and the mesh knows it. */
export function servedWorkload({ serving, workload }: PodContext): Workload | undefined {
  return serving.state === 'open' ? workload.current() : undefined;
}

/** @throws MeshError WORKLOAD_UNKNOWN */
export async function awaitServedWorkload({ serving, workload }: PodContext): Promise<Workload> {
  await serving.opened;
  return await workload.get();
}
