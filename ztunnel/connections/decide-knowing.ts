// Lets a decision that misses something in the mesh wait until the control plane has told of it, and decides again. A mesh that
// is known as a whole is asked at once, as if this were not here. In: a decision over a mesh. Out: what it decides.
import { MeshError } from '../../common/errors.ts';
import type { MeshDemand } from '../../common/mesh/mesh-demand.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import { noteMissedNames } from '../../common/mesh/missed-names.ts';

/** @param otherwise what to do when nobody tells in time: `refuse`, by rejection, or `decide` with what is known */
export type DecideKnowing = <T>(decide: (mesh: MeshView) => T, otherwise: 'refuse' | 'decide') => T | Promise<T>;

/** An address leads to a service, its waypoint, and that to its workloads; no decision has more steps than these. */
const maxRounds = 5;

export function createDecideKnowing(mesh: MeshView, demand: MeshDemand | undefined): DecideKnowing {
  if (demand === undefined) return (decide) => decide(mesh);
  return (decide, otherwise) => {
    const noted = noteMissedNames(mesh);
    const decision = decide(noted.mesh);
    const missed = noted.missed();
    return missed.length === 0 ? decision : decideAgain({ mesh, demand }, decide, otherwise, missed);
  };
}

async function decideAgain<T>(
  { mesh, demand }: { readonly mesh: MeshView; readonly demand: MeshDemand },
  decide: (mesh: MeshView) => T,
  otherwise: 'refuse' | 'decide',
  firstMissed: readonly string[],
): Promise<T> {
  const asked = new Set<string>();
  let unasked = firstMissed;
  for (let round = 1; round <= maxRounds && unasked.length > 0; round++) {
    const outcome = await demand.ask(unasked);
    if (outcome.kind === 'unanswered') {
      if (otherwise === 'decide') break;
      throw new MeshError('TARGET_UNKNOWN', outcome.detail);
    }
    for (const name of unasked) asked.add(name);
    const noted = noteMissedNames(mesh);
    const decision = decide(noted.mesh);
    unasked = noted.missed().filter((name) => !asked.has(name));
    if (unasked.length === 0) return decision;
  }
  return decide(mesh);
}
