// In which order a large difference is written into the index, so that it can be done in small steps and no workload is without
// its policies at any moment. Differences in; updates out, each to be applied whole. What is small is one update.
import type { AuthorizationPolicy } from '../../mesh/authorization-policy.ts';
import { type MeshUpdate, nothing } from '../../mesh/mesh-source.ts';
import type { Service } from '../../mesh/service.ts';
import type { Workload, WorkloadUid } from '../../mesh/workload.ts';
import type { ValueChange } from './unit-outputs.ts';

export interface MeshDifference {
  readonly size: number;
  readonly workloads: Iterable<ValueChange<WorkloadUid, Workload>>;
  readonly services: Iterable<ValueChange<string, Service>>;
  readonly policies: Iterable<ValueChange<string, AuthorizationPolicy>>;
}

export interface WriteLimits {
  /** How many objects are written at once without more ado. */
  readonly wholeObjects: number;
  /** How many objects a step of a larger difference has. */
  readonly stepObjects: number;
}

export const defaultWriteLimits: WriteLimits = { wholeObjects: 256, stepObjects: 128 };

/** May pause after each yield; what is yielded, if anything, is to be applied at once. */
export function* planWrites(
  difference: MeshDifference,
  limits: WriteLimits = defaultWriteLimits,
): Generator<MeshUpdate | undefined, void> {
  if (difference.size === 0) return;
  const policies = sortPolicies(difference.policies);
  const services = yield* sort(difference.services, policies, limits);
  const workloads = yield* sort(difference.workloads, policies, limits);
  if (difference.size <= limits.wholeObjects) {
    yield whole(workloads, services, policies);
    return;
  }
  const chunks = <T>(values: readonly T[]) => chunksOf(values, limits.stepObjects);
  // New names first: whoever comes to name them finds them.
  for (const some of chunks(policies.named)) yield { ...nothing, policies: some };
  for (const some of chunks(workloads.before)) yield { ...nothing, workloads: some };
  yield { ...nothing, policies: policies.switched, workloads: workloads.together };
  // Waypoints are services with workloads: they are there before anybody is sent to them.
  for (const some of chunks(workloads.after)) yield { ...nothing, workloads: some };
  for (const some of chunks(services.after)) yield { ...nothing, services: some };
  for (const some of chunks(workloads.behindWaypoint)) yield { ...nothing, workloads: some };
  for (const some of chunks(services.behindWaypoint)) yield { ...nothing, services: some };
  // What took over an address or a name is there by now. Policies go last: whoever goes with them is under them until then.
  for (const some of chunks(services.removed)) yield { ...nothing, removedServices: some };
  for (const some of chunks(workloads.removed)) yield { ...nothing, removedWorkloads: some };
  for (const some of chunks(policies.removed)) yield { ...nothing, removedPolicies: some };
}

/** By when a policy changes for those it concerns. */
interface SortedPolicies {
  /** New, and of no effect until a workload names them. */
  readonly named: AuthorizationPolicy[];
  /** At once: those that were there before, and those that need not be named. */
  readonly switched: AuthorizationPolicy[];
  readonly removed: string[];
  /** Of those that were there before: whether one must (not) be named when it switches. */
  readonly scopes: Map<string, 'unchanged' | 'widened' | 'narrowed'>;
}

function sortPolicies(changes: Iterable<ValueChange<string, AuthorizationPolicy>>): SortedPolicies {
  const sorted: SortedPolicies = { named: [], switched: [], removed: [], scopes: new Map() };
  for (const { key, before, after } of changes) {
    if (after === undefined) {
      if (before !== undefined) sorted.removed.push(key);
    } else if (before === undefined) {
      (isNamed(after) ? sorted.named : sorted.switched).push(after);
    } else {
      sorted.switched.push(after);
      const scope = isNamed(before) === isNamed(after) ? 'unchanged' : isNamed(after) ? 'narrowed' : 'widened';
      sorted.scopes.set(key, scope);
    }
  }
  return sorted;
}

function isNamed({ scope }: AuthorizationPolicy): boolean {
  return scope === 'workload-selector';
}

interface SortedValues<K, V> {
  /** Written before the policies switch, together with them, or after. */
  readonly before: V[];
  readonly together: V[];
  readonly after: V[];
  /** After those, because it names a waypoint. */
  readonly behindWaypoint: V[];
  readonly removed: K[];
}

function* sort<K, V extends Workload | Service>(
  changes: Iterable<ValueChange<K, V>>,
  policies: SortedPolicies,
  { stepObjects }: WriteLimits,
): Generator<undefined, SortedValues<K, V>> {
  const sorted: SortedValues<K, V> = { before: [], together: [], after: [], behindWaypoint: [], removed: [] };
  let count = 0;
  for (const { key, before, after } of changes) {
    if (++count % stepObjects === 0) yield;
    if (after === undefined) {
      if (before !== undefined) sorted.removed.push(key);
      continue;
    }
    const turn = policies.scopes.size === 0 ? 'after' : turnOf(namesOf(before), namesOf(after), policies.scopes);
    if (turn !== 'after') sorted[turn].push(after);
    else if (after.waypoint === undefined) sorted.after.push(after);
    else sorted.behindWaypoint.push(after);
  }
  return sorted;
}

const noNames: readonly string[] = [];

function namesOf(value: Workload | Service | undefined): readonly string[] {
  return value !== undefined && 'authorizationPolicies' in value ? value.authorizationPolicies : noNames;
}

/**
 * Names that stay the same change with their policy, whenever the workload is written. Who leaves a policy leaves it while it is what it
 * was, who comes to it comes when it is what it will be; unless it holds without being named, on that side.
 */
function turnOf(
  before: readonly string[],
  after: readonly string[],
  scopes: SortedPolicies['scopes'],
): 'before' | 'together' | 'after' {
  if (before.length === after.length && before.every((name, index) => name === after[index])) return 'after';
  let turn: 'before' | 'after' | undefined;
  for (const name of new Set([...before, ...after])) {
    const scope = scopes.get(name);
    if (scope === undefined) continue;
    const [was, is] = [before.includes(name), after.includes(name)];
    if (was && is) return 'together';
    const next = was ? (scope === 'widened' ? 'after' : 'before') : scope === 'narrowed' ? 'before' : 'after';
    if (turn !== undefined && turn !== next) return 'together';
    turn = next;
  }
  return turn ?? 'after';
}

function whole(
  workloads: SortedValues<WorkloadUid, Workload>,
  services: SortedValues<string, Service>,
  policies: SortedPolicies,
): MeshUpdate {
  return {
    workloads: [...workloads.before, ...workloads.together, ...workloads.after, ...workloads.behindWaypoint],
    services: [...services.after, ...services.behindWaypoint],
    policies: [...policies.named, ...policies.switched],
    removedWorkloads: workloads.removed,
    removedServices: services.removed,
    removedPolicies: policies.removed,
  };
}

function* chunksOf<T>(values: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < values.length; start += size) yield values.slice(start, start + size);
}
