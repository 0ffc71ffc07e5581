// Work that takes turns: so many pieces at a time, the others in the order in which they came. Starting a process holds
// the supervisor up, and hundreds of pods that start at once would leave it no time to answer.

export type Turns = <T>(work: () => Promise<T>) => Promise<T>;

/** A piece that fails gives its turn on and rejects for whoever asked. */
export function createTurns(mostAtOnce: number): Turns {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= mostAtOnce) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
