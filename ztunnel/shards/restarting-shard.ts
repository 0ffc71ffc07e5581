// A shard in a worker thread that is begun again whenever it ends unasked, with the pods that it had. In: pods and calls. Out: what
// it tells, and word of each loss. Between two threads it serves nothing; the other shards take the connections that come.
import type { ProxyState } from '../../common/admin/config-dump.ts';
import type { RevocationList } from '../../common/identity/revocation-list.ts';
import type { Logger } from '../../common/log.ts';
import type { KubernetesObject } from '../../common/sources/kubernetes-object.ts';
import type { Pod } from '../inpod/pod.ts';
import { inTime } from './in-time.ts';
import { ThreadLost } from './pending-calls.ts';
import { planShardRestart } from './restart-plan.ts';
import type { Shard } from './shard.ts';
import type { Answer, ShardCall } from './shard-protocol.ts';
import type { ShardThread } from './shard-thread-process.ts';

export interface RestartingShardOptions {
  readonly name: string;
  readonly startThread: (onEnd: (reason: string) => void) => ShardThread;
  /** It has ended unasked: what it had told is to be settled. */
  readonly onLost: () => void;
  readonly log: Logger;
}

/** A pod whose listeners cannot be bound again is tried after this. */
const retryMs = 1_000;
/** Whoever starts a pod does not wait longer for a thread that begins again and again: the other shards serve it. */
const patienceMs = 5_000;

export class RestartingShard implements Shard {
  readonly #options: RestartingShardOptions;
  readonly #pods = new Map<string, Pod>();
  #objects: readonly KubernetesObject[] | undefined;
  #revocations: readonly RevocationList[] | undefined;
  #thread: ShardThread;
  /** `beginning`: the thread is told of pods by `#begin`, and of those that come meanwhile too. */
  #phase: 'serving' | 'beginning' | 'ending' = 'serving';
  /** Settles when the thread, or the next one, serves the pods that it begins with: the first one with none. */
  #serving: Promise<void>;
  #startedMs = 0;
  #lastDelayMs = 0;
  #restarts = 0;

  constructor(options: RestartingShardOptions) {
    this.#options = options;
    this.#thread = this.#start();
    this.#serving = this.#thread.ready;
  }

  async startPod(pod: Pod): Promise<void> {
    this.#pods.set(pod.uid, pod);
    if (this.#phase === 'beginning') return await this.#untilServing();
    try {
      await this.#thread.call({ kind: 'start-pod', pod });
    } catch (error) {
      if (error instanceof ThreadLost) return await this.#untilServing();
      this.#pods.delete(pod.uid);
      throw error;
    }
  }

  async stopPod(uid: string): Promise<void> {
    this.#pods.delete(uid);
    await this.#callIfAlive({ kind: 'stop-pod', uid });
  }

  async proxies(): Promise<readonly ProxyState[]> {
    const answer = await this.#callIfAlive({ kind: 'proxies' });
    return answer?.kind === 'proxies' ? answer.proxies : [];
  }

  /** What was counted until now has been told when it settles. */
  async tellSeries(): Promise<void> {
    await this.#callIfAlive({ kind: 'series' });
  }

  useObjects(objects: readonly KubernetesObject[]): void {
    this.#objects = objects;
    this.tell({ kind: 'objects', objects });
  }

  useRevocations(lists: readonly RevocationList[]): void {
    this.#revocations = lists;
    this.tell({ kind: 'revocations', lists });
  }

  tell(message: Parameters<ShardThread['tell']>[0]): void {
    this.#thread.tell(message);
  }

  async drain(deadlineMs: number): Promise<void> {
    await this.#end({ kind: 'drain', deadlineMs });
  }

  async close(): Promise<void> {
    await this.#end({ kind: 'close' });
  }

  /** For a thread that answers no more: it is lost, and the next one begins. */
  async kill(): Promise<void> {
    await this.#thread.terminate();
  }

  async #end(call: ShardCall): Promise<void> {
    if (this.#phase === 'ending') return;
    this.#phase = 'ending';
    await this.#callIfAlive(call);
    this.#pods.clear();
    await this.#thread.terminate();
  }

  async #callIfAlive(call: ShardCall): Promise<Answer | undefined> {
    try {
      return await this.#thread.call(call);
    } catch (error) {
      if (error instanceof ThreadLost) return undefined;
      throw error;
    }
  }

  async #untilServing(): Promise<void> {
    const endMs = performance.now() + patienceMs;
    for (let leftMs = patienceMs; leftMs > 0; leftMs = endMs - performance.now()) {
      try {
        await inTime(this.#serving, leftMs);
        return;
      } catch (error) {
        if (!(error instanceof ThreadLost) || this.#phase === 'ending') throw error;
      }
    }
  }

  #start(): ShardThread {
    this.#startedMs = performance.now();
    return this.#options.startThread((reason) => this.#ended(reason));
  }

  #ended(reason: string): void {
    if (this.#phase === 'ending') return;
    const { name, log, onLost } = this.#options;
    const livedMs = performance.now() - this.#startedMs;
    this.#lastDelayMs = planShardRestart({ livedMs, lastDelayMs: this.#lastDelayMs, restarts: this.#restarts });
    this.#restarts += 1;
    this.#phase = 'beginning';
    log.error({ shard: name, reason, pods: this.#pods.size, restartInMs: this.#lastDelayMs }, 'shard has ended');
    onLost();
    this.#serving = this.#beginAgain(this.#lastDelayMs);
    // Whoever waits for it sees it; nobody may.
    this.#serving.catch(() => {});
  }

  async #beginAgain(delayMs: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (this.#phase === 'ending') return;
    const beganMs = performance.now();
    this.#thread = this.#start();
    if (this.#objects !== undefined) this.tell({ kind: 'objects', objects: this.#objects });
    if (this.#revocations !== undefined) this.tell({ kind: 'revocations', lists: this.#revocations });
    await this.#begin(this.#thread);
    const tookMs = Math.round(performance.now() - beganMs);
    this.#options.log.info({ shard: this.#options.name, pods: this.#pods.size, tookMs }, 'shard serves again');
  }

  /** @throws ThreadLost */
  async #begin(thread: ShardThread): Promise<void> {
    await thread.ready;
    const begun = new Set<Pod>();
    for (;;) {
      const pods = [...this.#pods.values()].filter((pod) => !begun.has(pod));
      if (pods.length === 0) break;
      for (const pod of pods) begun.add(pod);
      await Promise.all(pods.map((pod) => this.#beginPod(thread, pod)));
    }
    if (this.#phase === 'beginning') this.#phase = 'serving';
  }

  async #beginPod(thread: ShardThread, pod: Pod): Promise<void> {
    try {
      await thread.call({ kind: 'start-pod', pod });
    } catch (error) {
      if (error instanceof ThreadLost) throw error;
      this.#options.log.error({ shard: this.#options.name, uid: pod.uid, error }, 'pod cannot be served yet');
      setTimeout(() => this.#tryAgain(thread, pod), retryMs).unref();
    }
  }

  #tryAgain(thread: ShardThread, pod: Pod): void {
    const isWanted = this.#pods.get(pod.uid) === pod && this.#thread === thread && this.#phase !== 'ending';
    if (isWanted) this.#beginPod(thread, pod).catch(() => {});
  }
}
