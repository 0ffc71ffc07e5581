// Explicit mode: the pods are the enrolled workloads of this node in the mesh, each on its own address of this machine.
// Follows the mesh's changes one after the other; a pod whose address is taken is tried again.
import { isDeepStrictEqual } from 'node:util';
import type { Runnable } from '../../common/lifecycle.ts';
import type { Logger } from '../../common/log.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import { type ExplicitPod, findExplicitPods } from './explicit-pods.ts';
import type { PodServing } from './pod-serving.ts';

export interface MeshPodsOptions extends PodServing {
  readonly mesh: MeshView;
  readonly nodeName: string | undefined;
  readonly log: Logger;
  /** Default 5 000. */
  readonly retryMs?: number;
}

export function createMeshPods(options: MeshPodsOptions): Runnable {
  return new FollowedPods(options);
}

class FollowedPods implements Runnable {
  readonly #options: MeshPodsOptions;
  readonly #started = new Map<string, ExplicitPod>();
  #turn: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;
  #unsubscribe: () => void = () => {};
  #state: 'following' | 'ended' = 'following';

  constructor(options: MeshPodsOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { mesh } = this.#options;
    this.#unsubscribe = mesh.onChange(({ workloadsChanged }) => {
      if (workloadsChanged) void this.#follow();
    });
    await this.#follow();
  }

  async drain(): Promise<void> {
    await this.close();
  }

  async close(): Promise<void> {
    this.#state = 'ended';
    this.#unsubscribe();
    clearTimeout(this.#retry);
    await this.#turn;
  }

  /** Never rejects. */
  #follow(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#makeEqual());
    return this.#turn;
  }

  async #makeEqual(): Promise<void> {
    if (this.#state === 'ended') return;
    const { mesh, nodeName, fleet, counters, onReadiness, retryMs = 5_000 } = this.#options;
    clearTimeout(this.#retry);
    const wanted = findExplicitPods(mesh, nodeName);
    for (const [uid, pod] of this.#started) {
      const next = wanted.get(uid);
      if (next !== undefined && isDeepStrictEqual(next, pod)) continue;
      this.#started.delete(uid);
      await fleet.stop(uid);
    }
    const missing = [...wanted].filter(([uid]) => !this.#started.has(uid));
    const outcomes = await Promise.all(missing.map(([uid, pod]) => this.#begin(uid, pod)));
    const pending = outcomes.filter((outcome) => outcome === 'pending').length;
    counters.setPending(pending);
    onReadiness(pending === 0 ? 'ready' : 'waiting');
    if (pending > 0) this.#retry = setTimeout(() => void this.#follow(), retryMs).unref();
  }

  async #begin(uid: string, pod: ExplicitPod): Promise<'served' | 'pending'> {
    const { fleet, log } = this.#options;
    try {
      await fleet.start({ uid, name: pod.name, network: { kind: 'address', address: pod.address } });
      this.#started.set(uid, pod);
      return 'served';
    } catch (error) {
      log.error({ uid, address: pod.address, error }, 'pod cannot be served yet');
      return 'pending';
    }
  }
}
