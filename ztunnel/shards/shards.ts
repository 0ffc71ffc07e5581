// The shards of this process: one in the main thread, or several in worker threads; either way the same to whoever asks.
import type { ProxyState } from '../../common/admin/config-dump.ts';
import type { RevocationList } from '../../common/identity/revocation-list.ts';
import type { LevelDirectives } from '../../common/log-levels.ts';
import type { KubernetesObject } from '../../common/sources/kubernetes-object.ts';
import type { Shard } from './shard.ts';
import { createShard } from './shard.ts';
import { createWorkerShards, type WorkerShardsOptions } from './worker-shards.ts';

export interface Shards {
  readonly list: readonly Shard[];
  useObjects(objects: readonly KubernetesObject[]): void;
  useRevocations(lists: readonly RevocationList[]): void;
  useLevels(directives: LevelDirectives): void;
  /** Each pod once, with its living connections in all shards. */
  proxies(): Promise<readonly ProxyState[]>;
  /** What was counted until now is in the recorder, of every shard that answers in time. */
  collect(): Promise<void>;
  /** Log lines that found no room on their way to this thread. */
  droppedLines(): number;
  /** The shards have ended. */
  close(): void;
}

export function createShards(options: WorkerShardsOptions): Shards {
  const several = options.config.workerThreads > 1 ? createWorkerShards(options) : undefined;
  const list = several?.list ?? [createShard({ ...options, sharing: 'alone' })];
  return {
    list,
    useObjects(objects) {
      for (const shard of list) shard.useObjects(objects);
    },
    useRevocations(lists) {
      for (const shard of list) shard.useRevocations(lists);
    },
    useLevels: (directives) => several?.useLevels(directives),
    proxies: async () => mergeProxies(await Promise.all(list.map((shard) => shard.proxies()))),
    collect: async () => several?.collect(),
    droppedLines: () => several?.droppedLines() ?? 0,
    close: () => several?.close(),
  };
}

export function mergeProxies(ofShards: readonly (readonly ProxyState[])[]): readonly ProxyState[] {
  const merged = new Map<string, ProxyState>();
  for (const proxy of ofShards.flat()) {
    const known = merged.get(proxy.uid);
    merged.set(proxy.uid, {
      ...proxy,
      inbound: [...(known?.inbound ?? []), ...proxy.inbound],
      outbound: [...(known?.outbound ?? []), ...proxy.outbound],
    });
  }
  return [...merged.values()];
}
