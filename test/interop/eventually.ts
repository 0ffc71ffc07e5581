// For what another process does in its own time.
import { setTimeout } from 'node:timers/promises';

/** Asks again until the answer is good, for 10 s. @returns the last answer */
export async function eventually<T>(ask: () => Promise<T> | T, good: (answer: T) => boolean): Promise<T> {
  for (const end = performance.now() + 10_000; ; await setTimeout(50)) {
    const answer = await ask();
    if (good(answer) || performance.now() > end) return answer;
  }
}
