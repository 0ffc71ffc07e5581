// The port through which a source (manifests, Kubernetes, xDS) fills the index: upserts and removals by name.
import type { AuthorizationPolicy } from './authorization-policy.ts';
import type { Service } from './service.ts';
import type { Workload, WorkloadUid } from './workload.ts';

/** One batch; the index applies it whole, then tells its listeners once. */
export interface MeshUpdate {
  readonly workloads: readonly Workload[];
  readonly services: readonly Service[];
  readonly policies: readonly AuthorizationPolicy[];
  readonly removedWorkloads: readonly WorkloadUid[];
  /** Keys `<namespace>/<hostname>`. */
  readonly removedServices: readonly string[];
  /** Keys `<namespace>/<name>`. */
  readonly removedPolicies: readonly string[];
}

/** What an update with something begins with: `{ ...nothing, workloads }`. */
export const nothing: MeshUpdate = {
  workloads: [],
  services: [],
  policies: [],
  removedWorkloads: [],
  removedServices: [],
  removedPolicies: [],
};

/** Everything there is, at once: what a derivation from manifests gives. */
export interface MeshSnapshot {
  readonly workloads: readonly Workload[];
  readonly services: readonly Service[];
  readonly policies: readonly AuthorizationPolicy[];
}

export interface MeshWriter {
  apply(update: MeshUpdate): void;
  /** Makes the index equal to the snapshot, as one update with the smallest difference. */
  replace(snapshot: MeshSnapshot): void;
}
