// What every source of pods works with: the pods that are served, their counts, and who is told whether all are.
import type { PodProxies } from './pod-proxies.ts';
import type { ProxyCounters } from './proxy-metrics.ts';

export interface PodServing {
  readonly proxies: PodProxies;
  readonly counters: ProxyCounters;
  /** 'ready': every pod that is known is served. */
  readonly onReadiness: (readiness: 'ready' | 'waiting') => void;
}
