// The pods that this process serves: started, replaced and stopped by whoever knows them (the CNI agent, the mesh, or a
// setting). What listens and what is counted: `pod-proxy.ts`, `proxy-metrics.ts`.
import type { Logger } from '../../common/log.ts';
import type { Pod } from './pod.ts';
import type { PodProxy } from './pod-proxy.ts';
import type { ProxyCounters } from './proxy-metrics.ts';

export interface ServedPod {
  readonly pod: Pod;
  readonly proxy: PodProxy;
}

export interface PodProxies {
  /** A pod that is already served is stopped first. @throws MeshError when its listeners cannot be bound */
  start(pod: Pod): Promise<void>;
  /** Cuts its connections; an unknown uid is no error. */
  stop(uid: string): Promise<void>;
  list(): readonly ServedPod[];
  /** Stops accepting, lets connections finish until the deadline (milliseconds from now), then ends all pods. */
  drain(deadlineMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface PodProxiesOptions {
  readonly createProxy: (pod: Pod) => PodProxy;
  readonly counters: ProxyCounters;
  readonly log: Logger;
}

export function createPodProxies({ createProxy, counters, log }: PodProxiesOptions): PodProxies {
  const served = new Map<string, ServedPod>();

  async function end({ pod, proxy }: ServedPod, how: (proxy: PodProxy) => Promise<void>): Promise<void> {
    served.delete(pod.uid);
    counters.setActive(served.size);
    await how(proxy);
    pod.sockets.close();
    counters.stopped.add(1);
    log.info(fieldsOf(pod), 'pod is no longer served');
  }
  async function stop(uid: string): Promise<void> {
    const known = served.get(uid);
    if (known !== undefined) await end(known, (proxy) => proxy.close());
  }
  const endAll = async (how: (proxy: PodProxy) => Promise<void>): Promise<void> => {
    await Promise.all([...served.values()].map((each) => end(each, how)));
  };

  return {
    async start(pod) {
      await stop(pod.uid);
      const proxy = createProxy(pod);
      try {
        await proxy.start();
      } catch (error) {
        pod.sockets.close();
        throw error;
      }
      served.set(pod.uid, { pod, proxy });
      counters.started.add(1);
      counters.setActive(served.size);
      log.info(fieldsOf(pod), 'pod is served');
    },
    stop,
    list: () => [...served.values()],
    drain: (deadlineMs) => endAll((proxy) => proxy.drain(deadlineMs)),
    close: () => endAll((proxy) => proxy.close()),
  };
}

function fieldsOf({ uid, name: { namespace, name, serviceAccount } }: Pod): Record<string, string> {
  return { uid, workload: name, namespace, 'service-account': serviceAccount };
}
