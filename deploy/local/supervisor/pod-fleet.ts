// All pods that run, kept equal to the pods that should. Wanted pods in; states by uid, and facts for the status, out.
import type { PodState } from '../materialize/materialize.ts';
import type { PodSpec } from '../materialize/pod-spec.ts';
import { planPods } from './plan-pods.ts';
import { PodProcess, type PodSurroundings } from './pod-process.ts';
import type { PodFacts } from './status-of.ts';

const podGraceMs = 2_000;

export class PodFleet {
  readonly #around: PodSurroundings;
  readonly #pods = new Map<string, PodProcess>();
  readonly #leaving = new Map<string, Promise<void>>();

  constructor(around: PodSurroundings) {
    this.#around = around;
  }

  states(): ReadonlyMap<string, PodState> {
    return new Map([...this.#pods].map(([uid, pod]) => [uid, pod.state]));
  }

  facts(): readonly PodFacts[] {
    return [...this.#pods.values()].map(({ spec, state, sandboxPid, containers }) => ({
      spec,
      state,
      sandboxPid,
      containers,
    }));
  }

  apply(wanted: readonly PodSpec[]): void {
    const plan = planPods(this.#pods.keys(), wanted);
    for (const uid of plan.stop) this.#stop(uid);
    for (const spec of plan.update) this.#pods.get(spec.uid)?.update(spec);
    for (const spec of plan.start) {
      // A pod that takes another one's address waits until that one is gone.
      const before = [...this.#leaving.values()];
      const around = {
        ...this.#around,
        openSandbox: async (pod: PodSpec) => {
          await Promise.all(before);
          return this.#around.openSandbox(pod);
        },
      };
      this.#pods.set(spec.uid, new PodProcess(spec, around));
    }
  }

  async close(): Promise<void> {
    for (const uid of [...this.#pods.keys()]) this.#stop(uid);
    await Promise.all(this.#leaving.values());
  }

  #stop(uid: string): void {
    const pod = this.#pods.get(uid);
    if (pod === undefined) return;
    this.#pods.delete(uid);
    const gone = pod.stop(podGraceMs).finally(() => this.#leaving.delete(uid));
    this.#leaving.set(uid, gone);
  }
}
