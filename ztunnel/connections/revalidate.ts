// Which living connections today's policies would no longer admit. In: what each was admitted by, the mesh.
// Out: those to close, with the reason. Source: ztunnel.md §8, policy change.
import { authorize } from '../../common/mesh/authorize.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import type { AdmittedConnection } from './connection-tracker.ts';

export interface Revoked<T> {
  readonly connection: T;
  readonly detail: string;
}

/** Decided for the workload as it is now, so that policies which select it since are seen; a vanished one as it was. */
export function findRevoked<T>(
  connections: Iterable<readonly [connection: T, admitted: AdmittedConnection]>,
  mesh: MeshView,
): readonly Revoked<T>[] {
  const revoked: Revoked<T>[] = [];
  for (const [connection, { workload, source, destination, sourceIdentity }] of connections) {
    const policies = mesh.policiesFor(mesh.workloadByUid(workload.uid) ?? workload);
    const verdict = authorize({ source, destination, identity: sourceIdentity }, policies);
    if (verdict.kind === 'deny') {
      revoked.push({ connection, detail: `connection closed due to policy change: ${verdict.detail}` });
    }
  }
  return revoked;
}
