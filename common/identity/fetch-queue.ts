// At most so many fetches at once: one that a connection waits for goes first, then those for pods that have just come, then
// renewals, which have time until their certificate ends.

/** In the order in which they go. */
const urgencies = ['waited-for', 'ahead', 'background'] as const;
export type Urgency = (typeof urgencies)[number];

export interface QueuedFetch<T> {
  readonly done: Promise<T>;
  /** Lets one that still waits go with those of this urgency, if that is sooner. */
  hurry(urgency: Urgency): void;
}

export interface FetchQueue {
  run<T>(urgency: Urgency, task: () => Promise<T>): QueuedFetch<T>;
  /** How many of this urgency wait for their turn. */
  waiting(urgency: Urgency): number;
}

type Start = () => void;

export function createFetchQueue(maxConcurrent: number): FetchQueue {
  const waiting: Record<Urgency, Set<Start>> = { 'waited-for': new Set(), ahead: new Set(), background: new Set() };
  let running = 0;

  function startNext(): void {
    if (running >= maxConcurrent) return;
    for (const urgency of urgencies) {
      const [start] = waiting[urgency];
      if (start === undefined) continue;
      waiting[urgency].delete(start);
      running += 1;
      start();
      return;
    }
  }

  async function runInTurn<T>(turn: Promise<void>, task: () => Promise<T>): Promise<T> {
    await turn;
    try {
      return await task();
    } finally {
      running -= 1;
      startNext();
    }
  }

  return {
    waiting: (urgency) => waiting[urgency].size,
    run(urgency, task) {
      const { promise: turn, resolve: start } = Promise.withResolvers<void>();
      let current = urgency;
      waiting[current].add(start);
      startNext();
      return {
        done: runInTurn(turn, task),
        hurry(sooner) {
          if (urgencies.indexOf(sooner) >= urgencies.indexOf(current) || !waiting[current].delete(start)) return;
          current = sooner;
          waiting[current].add(start);
        },
      };
    },
  };
}
