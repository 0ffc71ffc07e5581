// Looks again and again until it finds what is waited for: what a cluster does comes when it comes.
import { setTimeout } from 'node:timers/promises';

/** @throws the last outcome, where it never is what is waited for */
export async function untilFound<T>(look: () => Promise<T>, is: (found: T) => boolean): Promise<T> {
  for (const endMs = Date.now() + 30_000; ; await setTimeout(200)) {
    const found = await look().then(
      (value) => ({ kind: 'found', value }) as const,
      (error: unknown) => ({ kind: 'failed', error }) as const,
    );
    if (found.kind === 'found' && is(found.value)) return found.value;
    if (Date.now() < endMs) continue;
    throw found.kind === 'failed' ? found.error : new Error(`never came: ${JSON.stringify(found.value)}`);
  }
}
