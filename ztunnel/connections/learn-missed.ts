// Lets the mesh learn what a decision is about to look for and would miss, where it is known in parts only (XDS_ON_DEMAND).
// In: the mesh, whom to ask, and the decision, whose result does not matter yet. Out: whether all of it has been answered.
import { setTimeout } from 'node:timers/promises';
import type { DemandOutcome, MeshDemand } from '../../common/mesh/mesh-demand.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import { noteMissedNames } from '../../common/mesh/missed-names.ts';

/** An address leads to a service, its waypoint, and that to its workloads; no decision has more steps than these. */
const maxRounds = 5;

/** For connections into a pod, which mostly need a name for telemetry: they wait a little for that, and go on without it. */
const callerPatienceMs = 1_000;

/** Lets the mesh learn who calls, and what the admission looks for. Ends soon, whether anybody has told or not. */
export async function learnCaller(mesh: MeshView, demand: MeshDemand, look: (mesh: MeshView) => void): Promise<void> {
  const ending = new AbortController();
  const late = setTimeout(callerPatienceMs, undefined, { signal: ending.signal, ref: false }).catch(() => {});
  await Promise.race([learnMissed(mesh, demand, look), late]);
  ending.abort();
}

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
