// Runs long work in short slices: between two of them the event loop serves connections, timers and whatever else waits.
// In: a generator whose steps are small. Out: what it returns.

/** Far below what a connection would notice. */
const sliceMs = 4;

/** @param onStep gets what the generator yields; @param signal ends the work, by rejection, between two slices */
export async function runInSlices<S, T>(
  work: Generator<S, T>,
  onStep: (step: S) => void,
  signal: AbortSignal,
): Promise<T> {
  let untilMs = performance.now() + sliceMs;
  for (;;) {
    const next = work.next();
    if (next.done === true) return next.value;
    onStep(next.value);
    if (performance.now() < untilMs) continue;
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    untilMs = performance.now() + sliceMs;
  }
}
