// What every source of pods works with: the pods that are served, their counts, and who is told whether all are.
import type { PodFleet } from './pod-fleet.ts';
import type { ProxyCounters } from './proxy-metrics.ts';

export interface PodServing {
  readonly fleet: PodFleet;
  readonly counters: ProxyCounters;
  /** 'ready': every pod that is known is served. */
  readonly onReadiness: (readiness: 'ready' | 'waiting') => void;
}
