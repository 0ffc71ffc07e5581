// One worker thread, from its start to its end, as the main thread sees it: calls in, answers out, and what it tells. Its end, in
// order or not, is told once. Restarts: `restarting-shard.ts`.
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { failureOf, PendingCalls, ThreadLost } from './pending-calls.ts';
import type { Answer, FromShard, ShardCall, ShardQuestion, ShardStart, ToShard } from './shard-protocol.ts';

export interface ShardThread {
  /** Settles when it takes calls. @throws ThreadLost */
  readonly ready: Promise<void>;
  /** @throws MeshError as the shard has thrown it; ThreadLost */
  call(call: ShardCall): Promise<Answer>;
  tell(message: Exclude<ToShard, { readonly kind: 'call' | 'answer' }>): void;
  /** Ends it now. */
  terminate(): Promise<void>;
}

export interface ShardThreadEvents {
  readonly onTold: (message: Extract<FromShard, { readonly kind: 'series' | 'lines' }>) => void;
  readonly answer: (question: ShardQuestion) => Promise<Answer>;
  readonly onEnd: (reason: string) => void;
}

/** Its young objects are those of connections that begin and end: a larger room for them would only be memory held. */
const resourceLimits = { maxYoungGenerationSizeMb: 24 } as const;
const entry = new URL(`./shard-worker-process${extname(import.meta.filename)}`, import.meta.url);

export function startShardThread(name: string, start: ShardStart, events: ShardThreadEvents): ShardThread {
  const worker = new Worker(entry, { name, workerData: start, resourceLimits });
  const calls = new PendingCalls();
  const ready = Promise.withResolvers<void>();
  // Whoever does not wait for it learns of the end by `onEnd`.
  ready.promise.catch(() => {});
  const send = (message: ToShard): void => worker.postMessage(message);
  let reason = 'it ended';

  worker.on('message', (message: FromShard) => {
    switch (message.kind) {
      case 'ready':
        return ready.resolve();
      case 'answer':
        return calls.settle(message.id, message.answer);
      case 'question':
        events
          .answer(message.question)
          .catch(failureOf)
          .then((answer) => send({ kind: 'answer', id: message.id, answer }));
        return;
      default:
        return events.onTold(message);
    }
  });
  worker.on('error', (error: unknown) => {
    reason = error instanceof Error ? error.message : String(error);
  });
  worker.on('exit', (code) => {
    const lost = new ThreadLost(`${name} has ended (${code}): ${reason}`);
    ready.reject(lost);
    calls.lose(lost);
    events.onEnd(lost.message);
  });

  return {
    ready: ready.promise,
    call: (call) => calls.begin((id) => send({ kind: 'call', id, call })),
    tell: send,
    async terminate() {
      await worker.terminate();
    },
  };
}
