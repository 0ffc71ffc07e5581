// Looks at the first bytes of a stream without taking them. In: a ByteStream and a decision over what came so far. Out: the decision,
// and the same stream from its first byte for whoever opens it next.
import type { ByteStream } from './byte-stream.ts';
import { HeldStream } from './held-stream.ts';

export interface Peeked<T> {
  readonly decision: T;
  readonly stream: ByteStream;
  /** A copy of the bytes that it was decided by. */
  readonly start: Buffer;
}

/**
 * @param decide `more` waits for further bytes
 * @param atEnd decides when the peer half-closed, or nothing was decided for `silenceMs`. Only after silence: `wait` keeps on waiting,
 *   `later` asks again when as much time has gone by
 * @returns undefined when the stream was lost before a decision
 */
export function peekStream<T>(
  stream: ByteStream,
  decide: (start: Buffer) => T | 'more',
  atEnd: (why: 'ended' | 'silent') => T | 'wait' | 'later',
  silenceMs: number,
): Promise<Peeked<T> | undefined> {
  return new Promise((resolve) => {
    const held = new HeldStream(stream, () => look());
    const finish = (decision: T): void => {
      clearTimeout(timer);
      held.hold();
      resolve({ decision, stream: held, start: held.start });
    };
    const look = (): void => {
      if (held.state === 'closed') {
        clearTimeout(timer);
        resolve(undefined);
        return;
      }
      const start = held.start;
      const decision = start.length === 0 ? 'more' : decide(start);
      const final = decision === 'more' && held.state === 'ended' ? atEnd('ended') : decision;
      if (final !== 'more' && final !== 'wait' && final !== 'later') finish(final as T);
    };
    const listen = (): NodeJS.Timeout => setTimeout(() => setImmediate(judgeSilence), silenceMs);
    // After the turn in which the time was up: what has long arrived is read only then if this thread was busy.
    const judgeSilence = (): void => {
      if (!held.isPeeking) return;
      const decision = atEnd('silent');
      if (decision === 'later') timer = listen();
      else if (decision !== 'wait') finish(decision as T);
    };
    let timer = listen();
  });
}
