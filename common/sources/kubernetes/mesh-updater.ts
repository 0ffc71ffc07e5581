// Brings changes of the Kubernetes API into the mesh, in short slices between which connections are served: at first they are only
// kept, then, when everything has been seen once, all is derived and written, and from then on each change as it comes. What comes while
// others are being applied waits for its turn.
import type { Logger } from '../../log.ts';
import type { MeshUpdate, MeshWriter } from '../../mesh/mesh-source.ts';
import { runInSlices } from '../../xds/run-in-slices.ts';
import type { IncrementalMesh } from '../incremental/incremental-mesh.ts';
import { type PendingBatch, PendingChanges } from '../incremental/pending-changes.ts';
import type { ObjectChange } from '../incremental/resource-store.ts';

export interface MeshUpdaterOptions {
  readonly mesh: IncrementalMesh;
  readonly writer: MeshWriter;
  /** After changes have been written. @param lagMs since the first of them came */
  readonly onWritten: (lagMs: number) => void;
  readonly log: Logger;
}

export class MeshUpdater {
  readonly #options: MeshUpdaterOptions;
  readonly #pending = new PendingChanges();
  readonly #closing = new AbortController();
  #stage: 'loading' | 'complete' | 'following' = 'loading';
  #state: 'idle' | 'running' = 'idle';
  #running: Promise<void> = Promise.resolve();

  constructor(options: MeshUpdaterOptions) {
    this.#options = options;
  }

  take(changes: readonly ObjectChange[]): void {
    this.#pending.put(changes, performance.now());
    this.#start();
  }

  /** Everything there is has been given. @returns resolved when it has been written */
  async complete(): Promise<void> {
    this.#stage = 'complete';
    this.#start();
    await this.#running;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  #start(): void {
    if (this.#state === 'idle') this.#running = this.#run();
  }

  /** Never rejects. What comes until it ends, which it does in the same turn in which it finds nothing more, is taken along. */
  async #run(): Promise<void> {
    this.#state = 'running';
    for (let batch = this.#next(); batch !== undefined; batch = this.#next()) {
      const stage = this.#stage;
      if (stage === 'complete') this.#stage = 'following';
      try {
        await this.#work(batch, stage === 'loading' ? 'load' : 'apply');
        if (stage !== 'loading') this.#options.onWritten(performance.now() - batch.sinceMs);
      } catch (error) {
        if (this.#closing.signal.aborted) break;
        const reason = 'changes of the Kubernetes API could not be applied; the state before them serves';
        this.#options.log.error({ err: error }, reason);
      }
    }
    this.#state = 'idle';
  }

  #next(): PendingBatch | undefined {
    if (this.#closing.signal.aborted) return undefined;
    const waiting = this.#pending.take();
    return waiting ?? (this.#stage === 'complete' ? { changes: [], sinceMs: performance.now() } : undefined);
  }

  async #work({ changes }: PendingBatch, how: 'load' | 'apply'): Promise<void> {
    const { mesh } = this.#options;
    await runInSlices(how === 'load' ? mesh.load(changes) : mesh.apply(changes), this.#write, this.#closing.signal);
  }

  readonly #write = (update: MeshUpdate | undefined): void => {
    if (update === undefined) return;
    try {
      this.#options.writer.apply(update);
    } catch (error) {
      this.#options.log.error({ err: error }, 'the mesh was written, and not all who read it could follow');
    }
  };
}
