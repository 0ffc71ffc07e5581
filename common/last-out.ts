// Waiting until the last of something has gone (connections, tunnels), up to a deadline: what every drain does.
// In: whether any is left, and a call whenever one went. Out: promises.

export interface LastOut {
  /** One has gone; whoever waits is told if it was the last. */
  left(): void;
  /** True when none is left; false when the time (milliseconds from now) was up first. */
  wait(deadlineMs: number): Promise<boolean>;
}

export function createLastOut(isEmpty: () => boolean): LastOut {
  const waiting = new Set<() => void>();
  return {
    left() {
      if (!isEmpty()) return;
      for (const tell of [...waiting]) tell();
    },
    wait: (deadlineMs) =>
      new Promise((resolve) => {
        if (isEmpty()) return resolve(true);
        const settle = (empty: boolean): void => {
          clearTimeout(timer);
          waiting.delete(tell);
          resolve(empty);
        };
        const tell = (): void => settle(true);
        const timer = setTimeout(() => settle(false), deadlineMs);
        waiting.add(tell);
      }),
  };
}
