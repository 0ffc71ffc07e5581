// Lets the mesh learn what a decision is about to look for and would miss, where it is known in parts only (XDS_ON_DEMAND).
// In: the mesh, whom to ask, and the decision, whose result does not matter yet. Out: whether all of it has been answered.
import type { DemandOutcome, MeshDemand } from '../../common/mesh/mesh-demand.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import { noteMissedNames } from '../../common/mesh/missed-names.ts';

/** An address leads to a service, its waypoint, and that to its workloads; no decision has more steps than these. */
const maxRounds = 5;

/** @param look does all the look-ups of the decision; it may be called several times. Never rejects but with its error */
export async function learnMissed(
  mesh: MeshView,
  demand: MeshDemand,
  look: (mesh: MeshView) => void,
): Promise<DemandOutcome> {
  const asked = new Set<string>();
  for (let round = 1; round <= maxRounds; round++) {
    const noted = noteMissedNames(mesh);
    look(noted.mesh);
    const missed = noted.missed().filter((name) => !asked.has(name));
    if (missed.length === 0) break;
    const outcome = await demand.ask(missed);
    if (outcome.kind === 'unanswered') return outcome;
    for (const name of missed) asked.add(name);
  }
  return { kind: 'answered' };
}
