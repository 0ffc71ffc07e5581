// Deadlines of many short things that all get the same time (a dial, an answer), on one timer between them: most are met,
// and a timer set and cleared for each costs more than the rest of waiting. In: what to do when it is late. Out: a way to call it off.
// Hot path: test/bench/tunnel.ts (connect64).

export class Deadlines {
  readonly #afterMs: number;
  /** By when they are due, earliest first: all get the same time. */
  readonly #dueMs = new Map<() => void, number>();
  #timer: NodeJS.Timeout | undefined;

  /** @param afterMs until a deadline, in milliseconds */
  constructor(afterMs: number) {
    this.#afterMs = afterMs;
  }

  /** @param onLate called once, when the time is up; a function of its own for each deadline */
  set(onLate: () => void): void {
    this.#dueMs.set(onLate, performance.now() + this.#afterMs);
    if (this.#timer === undefined) this.#arm(this.#afterMs);
  }

  /** Does nothing where it has been met or called off already. */
  callOff(onLate: () => void): void {
    this.#dueMs.delete(onLate);
  }

  get size(): number {
    return this.#dueMs.size;
  }

  /** The timer stays while deadlines come and go, and rests once it finds none. Whoever waits holds a socket; that keeps the process. */
  #arm(inMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const nowMs = performance.now();
      for (const [onLate, dueMs] of this.#dueMs) {
        if (dueMs > nowMs) {
          if (this.#timer === undefined) this.#arm(dueMs - nowMs);
          return;
        }
        this.#dueMs.delete(onLate);
        onLate();
      }
    }, Math.ceil(inMs)).unref();
  }
}

const byTime = new Map<number, Deadlines>();

/** The deadlines of this time; there are as many as settings that name a time. */
export function deadlinesAfter(afterMs: number): Deadlines {
  let deadlines = byTime.get(afterMs);
  if (deadlines === undefined) byTime.set(afterMs, (deadlines = new Deadlines(afterMs)));
  return deadlines;
}
