// At most so many fetches at once; one that a connection waits for goes before those made in advance.

export type Urgency = 'waited-for' | 'background';

export interface FetchQueue {
  run<T>(urgency: Urgency, task: () => Promise<T>): Promise<T>;
}

export function createFetchQueue(maxConcurrent: number): FetchQueue {
  const waitedFor: (() => void)[] = [];
  const background: (() => void)[] = [];
  let running = 0;

  function startNext(): void {
    if (running >= maxConcurrent) return;
    const start = waitedFor.shift() ?? background.shift();
    if (start === undefined) return;
    running += 1;
    start();
  }

  return {
    async run(urgency, task) {
      await new Promise<void>((start) => {
        (urgency === 'waited-for' ? waitedFor : background).push(start);
        startNext();
      });
      try {
        return await task();
      } finally {
        running -= 1;
        startNext();
      }
    },
  };
}
