// When a shard that has ended is begun again: at once, and later each time if it does not last. Pure: how it went in, how long
// to wait out.

export interface RestartFacts {
  /** How long it lived; a shard that lived this long is no longer one that fails at its start. */
  readonly livedMs: number;
  /** The last plan's. */
  readonly lastDelayMs: number;
  /** So far. */
  readonly restarts: number;
}

const lastingMs = 60_000;
const firstDelayMs = 100;
const maxDelayMs = 5_000;

/** @returns milliseconds */
export function planShardRestart({ livedMs, lastDelayMs, restarts }: RestartFacts): number {
  if (restarts === 0 || livedMs >= lastingMs) return 0;
  return Math.min(maxDelayMs, Math.max(firstDelayMs, lastDelayMs * 2));
}
