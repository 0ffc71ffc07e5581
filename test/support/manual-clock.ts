// A clock that moves only when told: `now` and `schedule` for whoever takes them by argument.

export interface ManualClock {
  readonly now: () => number;
  readonly schedule: (delayMs: number, run: () => void) => () => void;
  /** Moves on, running what becomes due in its order, and lets promises settle in between. */
  advance(byMs: number): Promise<void>;
  /** How many timers wait. */
  readonly pending: () => number;
}

export function createManualClock(startMs = 1_800_000_000_000): ManualClock {
  let nowMs = startMs;
  const timers = new Set<{ readonly atMs: number; readonly run: () => void }>();
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  return {
    now: () => nowMs,
    schedule(delayMs, run) {
      const timer = { atMs: nowMs + delayMs, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(byMs) {
      const untilMs = nowMs + byMs;
      await settle();
      for (;;) {
        const [next] = [...timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
        if (next === undefined) break;
        timers.delete(next);
        nowMs = Math.max(nowMs, next.atMs);
        next.run();
        await settle();
      }
      nowMs = untilMs;
    },
    pending: () => timers.size,
  };
}
