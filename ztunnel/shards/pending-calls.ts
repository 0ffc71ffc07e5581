// Who waits for an answer from another thread, by number. In: answers, or word that none will come. Out: promises.
import { MeshError } from '../../common/errors.ts';
import type { Answer } from './shard-protocol.ts';

type Succeeded = Exclude<Answer, { readonly kind: 'failed' }>;

/** The other thread has ended, and with it what it was asked. */
export class ThreadLost extends Error {}

export class PendingCalls {
  readonly #waiting = new Map<number, PromiseWithResolvers<Succeeded>>();
  #lastId = 0;
  #lost: ThreadLost | undefined;

  /** @throws MeshError as the other thread has thrown it; ThreadLost */
  begin(send: (id: number) => void): Promise<Succeeded> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    const id = ++this.#lastId;
    const waiting = Promise.withResolvers<Succeeded>();
    this.#waiting.set(id, waiting);
    send(id);
    return waiting.promise;
  }

  settle(id: number, answer: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (answer.kind === 'failed') waiting?.reject(new MeshError(answer.code, answer.message));
    else waiting?.resolve(answer);
  }

  /** For those that wait, and all that come. */
  lose(lost: ThreadLost): void {
    this.#lost = lost;
    for (const waiting of this.#waiting.values()) waiting.reject(lost);
    this.#waiting.clear();
  }
}

/** What has failed, as a message that can be sent. */
export function failureOf(error: unknown): Answer {
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'failed', code: error instanceof MeshError ? error.code : 'INTERNAL', message };
}
