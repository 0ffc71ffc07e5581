// Whether a connection to a pod that comes without HBONE is let through. In: both ends, what is proven, the pod's workload, the mesh.
// Out: where it goes on to, with the verdict and the service it was probably meant for, or why not. Source: ztunnel.md §4.7.
import type { Identity } from '../../common/identity/identity.ts';
import { authorize } from '../../common/mesh/authorize.ts';
import { guessService } from '../../common/mesh/guess-service.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { SocketAddress } from '../../common/net/address.ts';
import type { Admission } from '../admission.ts';
import { describeSelfCall, type IllegalPorts } from '../illegal-ports.ts';

export interface PassthroughFacts {
  readonly source: SocketAddress;
  readonly originalDestination: SocketAddress;
  /** From a sidecar's certificate; undefined for plain text. */
  readonly identity: Identity | undefined;
  /** The service that a sidecar says it means. */
  readonly host: string | undefined;
  /** The pod that is connected to. */
  readonly workload: Workload;
  readonly mesh: MeshView;
  readonly illegalPorts: IllegalPorts;
}

export function decidePassthroughAdmission(facts: PassthroughFacts): Admission {
  const { source, originalDestination: upstream, identity, workload, mesh } = facts;
  if (facts.illegalPorts.has(upstream.port)) {
    return { kind: 'reject', code: 'SELF_CALL', detail: describeSelfCall(upstream) };
  }
  const service = guessService({
    mesh,
    workload,
    requested: undefined,
    forwardedHost: facts.host,
    upstreamPort: upstream.port,
  });
  const verdict = authorize({ source, destination: upstream, identity }, mesh.policiesFor(workload));
  if (verdict.kind === 'permit') return { kind: 'admit', upstream, service, verdict };
  const detail = `connection closed due to policy rejection: ${verdict.detail}`;
  return { kind: 'deny', code: 'AUTHORIZATION_DENIED', detail, upstream, service, verdict };
}
