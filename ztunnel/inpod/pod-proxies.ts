// The pods that one thread serves: their sockets are opened here, and closed with them. What listens: `pod-proxy.ts`.
// Which pods: `pod-fleet.ts`, for all threads alike.
import type { OpenPod, Pod } from './pod.ts';
import type { PodProxy } from './pod-proxy.ts';
import { openPodSockets, type PodSocketOptions } from './pod-sockets.ts';

export interface ServedPod {
  readonly pod: OpenPod;
  readonly proxy: PodProxy;
}

export interface PodProxies {
  /** A pod that is already served is stopped first. @throws MeshError when its listeners cannot be bound */
  startPod(pod: Pod): Promise<void>;
  /** Cuts its connections; an unknown uid is no error. */
  stopPod(uid: string): Promise<void>;
  list(): readonly ServedPod[];
  /** Stops accepting, lets connections finish until the deadline (milliseconds from now), then ends all pods. */
  drain(deadlineMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface PodProxiesOptions {
  readonly createProxy: (pod: OpenPod) => PodProxy;
  readonly sockets: PodSocketOptions;
}

export function createPodProxies({ createProxy, sockets }: PodProxiesOptions): PodProxies {
  const served = new Map<string, ServedPod>();
  const turns = new Map<string, Promise<void>>();

  /** What is asked for one pod is done one after the other. */
  function inTurn(uid: string, act: () => Promise<void>): Promise<void> {
    const turn = (turns.get(uid) ?? Promise.resolve()).then(act);
    const settled = turn
      .catch(() => {})
      .then(() => {
        if (turns.get(uid) === settled) turns.delete(uid);
      });
    turns.set(uid, settled);
    return turn;
  }

  async function end({ pod, proxy }: ServedPod, how: (proxy: PodProxy) => Promise<void>): Promise<void> {
    served.delete(pod.uid);
    await how(proxy);
    pod.sockets.close();
  }
  async function stop(uid: string): Promise<void> {
    const known = served.get(uid);
    if (known !== undefined) await end(known, (proxy) => proxy.close());
  }
  const endAll = async (how: (proxy: PodProxy) => Promise<void>): Promise<void> => {
    await Promise.all([...served.values()].map((each) => end(each, how)));
  };

  async function start({ network, ...pod }: Pod): Promise<void> {
    await stop(pod.uid);
    const open: OpenPod = { ...pod, sockets: await openPodSockets(network, sockets) };
    const proxy = createProxy(open);
    try {
      await proxy.start();
    } catch (error) {
      open.sockets.close();
      throw error;
    }
    served.set(pod.uid, { pod: open, proxy });
  }

  return {
    startPod: (pod) => inTurn(pod.uid, () => start(pod)),
    stopPod: (uid) => inTurn(uid, () => stop(uid)),
    list: () => [...served.values()],
    drain: (deadlineMs) => endAll((proxy) => proxy.drain(deadlineMs)),
    close: () => endAll((proxy) => proxy.close()),
  };
}
