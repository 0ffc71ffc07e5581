// Who tells which pods this process serves: the CNI agent (shared), a setting (dedicated), or the mesh (explicit).
// Each is a Runnable that starts and stops pods of `PodProxies`.

import type { PodProxies } from './pod-proxies.ts';
import type { ProxyCounters } from './proxy-metrics.ts';

export interface PodSourceOptions {
  readonly proxies: PodProxies;
  readonly counters: ProxyCounters;
  /** 'ready': every pod that is known is served. */
  readonly onReadiness: (readiness: 'ready' | 'waiting') => void;
}
