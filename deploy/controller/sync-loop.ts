// Runs one thing again and again: when it is due, when something has changed, and after a failure with growing pauses; never
// twice at once. In: what to run, and when it wants to be run next. Out: nothing; failures are logged.
import { retryDelay } from '../../common/identity/rotation-plan.ts';
import type { Logger } from '../../common/log.ts';

export interface SyncLoopOptions {
  /** @returns when it is due again at the latest */
  readonly run: () => Promise<number>;
  readonly now: () => number;
  readonly onFailure: (error: unknown) => void;
  readonly log: Logger;
}

export interface SyncLoop {
  /** Resolves after the first run that succeeded. */
  start(): Promise<void>;
  /** Something has changed: runs soon, once for all that comes together. */
  poke(): void;
  /** Resolves when nothing runs any more. */
  close(): Promise<void>;
}

/** `gathering`: a run is near, further pokes belong to it. */
type LoopState = 'idle' | 'gathering' | 'running' | 'running-poked' | 'closed';

const gatherMs = 100;
/** Between two runs: whoever undoes what a run has done shall not make it run without end. */
const leastPauseMs = 1_000;
const longestPauseMs = 10_000;
/** setTimeout takes no more than a signed 32-bit number. */
const longestWaitMs = 86_400_000;

export function createSyncLoop({ run, now, onFailure, log }: SyncLoopOptions): SyncLoop {
  const firstDone = Promise.withResolvers<void>();
  let timer: NodeJS.Timeout | undefined;
  let state: LoopState = 'idle';
  let running = Promise.resolve();
  let failures = 0;
  let endedAtMs = Number.NEGATIVE_INFINITY;

  function wait(delayMs: number): void {
    if (state === 'closed') return;
    clearTimeout(timer);
    timer = setTimeout(() => void (running = runOnce()), Math.min(Math.max(delayMs, gatherMs), longestWaitMs));
  }

  async function runOnce(): Promise<void> {
    state = 'running';
    let delayMs: number;
    try {
      const dueAtMs = await run();
      delayMs = dueAtMs - now();
      failures = 0;
      firstDone.resolve();
    } catch (error) {
      failures += 1;
      delayMs = Math.min(retryDelay(failures, Math.random()), longestPauseMs);
      onFailure(error);
      log.warn({ error, retryMs: Math.round(delayMs) }, 'synchronization failed');
    }
    settle(state, delayMs);
  }

  function settle(during: LoopState, delayMs: number): void {
    if (during === 'closed') return;
    endedAtMs = now();
    state = during === 'running-poked' ? 'gathering' : 'idle';
    wait(state === 'gathering' ? leastPauseMs : delayMs);
  }

  return {
    start() {
      wait(0);
      return firstDone.promise;
    },
    poke() {
      if (state === 'running') state = 'running-poked';
      // After a failure its own pause decides: what pokes may be what fails.
      else if (state === 'idle' && failures === 0) {
        state = 'gathering';
        wait(endedAtMs + leastPauseMs - now());
      }
    },
    async close() {
      state = 'closed';
      clearTimeout(timer);
      await running;
    },
  };
}
