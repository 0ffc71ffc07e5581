// Closes the connections into a pod that a change of policies no longer admits. Subscribes to the mesh; returns the end.
import { MeshError } from '../../common/errors.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { AdmittedConnection, ConnectionTracker, LiveConnection } from './connection-tracker.ts';
import { findRevoked } from './revalidate.ts';

/** A workload's own change counts too: it carries the names of the policies that select it. */
export function closeRevokedConnections(mesh: MeshView, tracker: ConnectionTracker): () => void {
  return mesh.onChange(({ policiesChanged }) => {
    /** A pod's connections have one workload, or few. */
    const changed = new Map<Workload, boolean>();
    const hasChanged = (workload: Workload): boolean => {
      const known = changed.get(workload) ?? mesh.workloadByUid(workload.uid) !== workload;
      changed.set(workload, known);
      return known;
    };
    const isConcerned = ({ workload }: AdmittedConnection): boolean => policiesChanged || hasChanged(workload);
    const concerned = admittedOf(tracker).filter(([, admitted]) => isConcerned(admitted));
    for (const { connection, detail } of findRevoked(concerned, mesh)) {
      connection.abort(new MeshError('POLICY_CHANGED', detail));
    }
  });
}

function admittedOf(tracker: ConnectionTracker): (readonly [LiveConnection, AdmittedConnection])[] {
  return [...tracker.live()].flatMap((connection) =>
    connection.state.kind === 'inbound' ? [[connection, connection.state.admitted] as const] : [],
  );
}
