// The pods that this process serves: started, replaced and stopped by whoever knows them (the CNI agent, the mesh, or a
// setting), in every shard alike. A pod that one shard cannot serve is served by none.
import type { Logger } from '../../common/log.ts';
import type { Pod } from './pod.ts';
import type { ProxyCounters } from './proxy-metrics.ts';

/** What a pod needs of each shard (`shards/shard.ts`). */
export interface PodShard {
  startPod(pod: Pod): Promise<void>;
  stopPod(uid: string): Promise<void>;
  drain(deadlineMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface PodFleet {
  /**
   * A pod that is already served is stopped first.
   * @param release called once, when no shard needs the pod's network any more
   * @throws MeshError when its listeners cannot be bound
   */
  start(pod: Pod, release?: () => void): Promise<void>;
  /** Cuts its connections; an unknown uid is no error. */
  stop(uid: string): Promise<void>;
  list(): readonly Pod[];
  /** Stops accepting, lets connections finish until the deadline (milliseconds from now), then ends all pods. */
  drain(deadlineMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface PodFleetOptions {
  readonly shards: readonly PodShard[];
  readonly counters: ProxyCounters;
  readonly log: Logger;
}

interface FleetPod {
  readonly pod: Pod;
  readonly release: () => void;
}

export function createPodFleet({ shards, counters, log }: PodFleetOptions): PodFleet {
  const served = new Map<string, FleetPod>();

  function forget({ pod, release }: FleetPod): void {
    served.delete(pod.uid);
    counters.setActive(served.size);
    release();
    counters.stopped.add(1);
    log.info(fieldsOf(pod), 'pod is no longer served');
  }
  const stopInShards = async (uid: string): Promise<void> => {
    await Promise.all(shards.map((shard) => shard.stopPod(uid)));
  };
  async function stop(uid: string): Promise<void> {
    const known = served.get(uid);
    if (known === undefined) return;
    await stopInShards(uid);
    forget(known);
  }
  const endAll = async (how: (shard: PodShard) => Promise<void>): Promise<void> => {
    await Promise.all(shards.map(how));
    for (const each of [...served.values()]) forget(each);
  };

  return {
    async start(pod, release = () => {}) {
      await stop(pod.uid);
      const started = await Promise.allSettled(shards.map((shard) => shard.startPod(pod)));
      const failure = started.find((result) => result.status === 'rejected');
      if (failure !== undefined) {
        await stopInShards(pod.uid);
        release();
        throw failure.reason;
      }
      served.set(pod.uid, { pod, release });
      counters.started.add(1);
      counters.setActive(served.size);
      log.info(fieldsOf(pod), 'pod is served');
    },
    stop,
    list: () => [...served.values()].map(({ pod }) => pod),
    drain: (deadlineMs) => endAll((shard) => shard.drain(deadlineMs)),
    close: () => endAll((shard) => shard.close()),
  };
}

function fieldsOf({ uid, name: { namespace, name, serviceAccount } }: Pod): Record<string, string> {
  return { uid, workload: name, namespace, 'service-account': serviceAccount };
}
