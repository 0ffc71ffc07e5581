// What a connection into a pod begins with: a sidecar's mutual TLS, which is ended here, or anything else, which goes on as it is.
// In: the first bytes, the pod, the mesh; or how long nothing has come. Out: what it is, or that it cannot be told yet.
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import { hostOfServerName, isOfSidecar } from '../../common/peer/sidecar-protocols.ts';
import { readClientHello } from '../../common/tls/client-hello-codec.ts';

export type Arrival =
  | { readonly kind: 'plain' }
  /** @property host the service that the sidecar means, as it says. */
  | { readonly kind: 'sidecar'; readonly host: string | undefined };

export interface ArrivalFacts {
  readonly workload: Workload;
  readonly mesh: MeshView;
}

const plain: Arrival = { kind: 'plain' };

export function readArrival(start: Buffer, { workload, mesh }: ArrivalFacts): Arrival | 'more' {
  const hello = readClientHello(start);
  if (hello.kind === 'incomplete') return 'more';
  if (hello.kind === 'no-hello' || !isOfSidecar(hello.protocols)) return plain;
  const host = hostOfServerName(hello.serverName);
  const isForOthers = host !== undefined && !isHostOf(workload, host) && isHostOfMesh(host, workload, mesh);
  // A gateway hands on by that name what it cannot read: the TLS ends behind it.
  return isForOthers ? plain : { kind: 'sidecar', host };
}

function isHostOf({ services }: Workload, host: string): boolean {
  for (const key of services.keys()) if (key.endsWith(`/${host}`)) return true;
  return false;
}

function isHostOfMesh(host: string, { namespace }: Workload, mesh: MeshView): boolean {
  return mesh.serviceByHostname(host, namespace) !== undefined;
}

/** After each such time without a decision, it is asked whether to wait on. A sidecar begins at once. */
export const silenceMs = 100;
/** So long for a caller that is known to have a sidecar. */
const sidecarSilences = 10;
/** So long for one that would be refused as it is, and has nothing to lose. */
const deniedSilences = 100;

export interface SilenceFacts {
  /** How often it was asked before, and this time. */
  readonly silences: number;
  /** Whether bytes have come that may become a hello. */
  readonly begun: boolean;
  /** What becomes of the connection if it is plain text. */
  readonly plainIs: 'admitted' | 'refused';
  readonly caller: Workload | undefined;
}

/** A server may speak first: a plain caller that waits for it must not wait for us. */
export function judgeSilence({ silences, begun, plainIs, caller }: SilenceFacts): Arrival | 'later' {
  const isSidecar = caller !== undefined && (caller.tunnelProtocol === 'istio-mtls' || caller.nativeTunnel);
  const limit = plainIs === 'refused' || begun ? deniedSilences : isSidecar ? sidecarSilences : 1;
  return silences < limit ? 'later' : plain;
}
