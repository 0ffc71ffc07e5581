// What the connections of each workload are judged by at this moment, in a form that can be compared.
import type { MeshIndex } from '../../common/mesh/mesh-index.ts';

/** By workload: its policies, and the names it has of unknown ones. */
export function effectivePolicies(index: MeshIndex): ReadonlyMap<string, string> {
  return new Map(
    [...index.workloads()].map((workload) => {
      const { policies, unknown } = index.policiesFor(workload);
      return [workload.uid, JSON.stringify([policies.map((policy) => JSON.stringify(policy)).sort(), unknown])];
    }),
  );
}
