// Which pods to start, stop or leave alone when the manifests have changed. Pods that run and pods that should in, the
// difference out; pure.
import type { PodSpec } from '../materialize/pod-spec.ts';

export interface PodPlan {
  readonly start: readonly PodSpec[];
  /** Uids. */
  readonly stop: readonly string[];
  readonly update: readonly PodSpec[];
}

/** A pod that has to be another one (its template changed, say) has another uid. */
export function planPods(running: Iterable<string>, wanted: readonly PodSpec[]): PodPlan {
  const runs = new Set(running);
  const wantedUids = new Set(wanted.map((pod) => pod.uid));
  return {
    start: wanted.filter((pod) => !runs.has(pod.uid)),
    stop: [...runs].filter((uid) => !wantedUids.has(uid)),
    update: wanted.filter((pod) => runs.has(pod.uid)),
  };
}
