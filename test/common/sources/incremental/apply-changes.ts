// Changes given to the incremental mesh, and everything that it writes for them as one update.
import { type MeshUpdate, nothing } from '../../../../common/mesh/mesh-source.ts';
import type { IncrementalMesh } from '../../../../common/sources/incremental/incremental-mesh.ts';
import type { ObjectChange } from '../../../../common/sources/incremental/resource-store.ts';

/** @throws where they are not written at once */
export function applyChanges(mesh: IncrementalMesh, changes: readonly ObjectChange[]): MeshUpdate {
  const updates = [...mesh.apply(changes)].filter((update) => update !== undefined);
  if (updates.length > 1) throw new Error(`written in ${updates.length} steps`);
  return updates[0] ?? nothing;
}
