// When a process that ended is started again: at once the first time, then ever later, as kubelet does; a run that lasted
// forgives. Past restarts in, waiting time in milliseconds out.

export interface RestartHistory {
  readonly restarts: number;
}

export const noRestarts: RestartHistory = { restarts: 0 };

const firstDelayMs = 500;
const longestDelayMs = 30_000;
const forgivingRunMs = 60_000;

export function planRestart(
  history: RestartHistory,
  ranForMs: number,
): { readonly delayMs: number; readonly history: RestartHistory } {
  const restarts = ranForMs >= forgivingRunMs ? 0 : history.restarts;
  return { delayMs: Math.min(firstDelayMs * 2 ** restarts, longestDelayMs), history: { restarts: restarts + 1 } };
}
