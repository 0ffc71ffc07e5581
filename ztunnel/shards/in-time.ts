// Waits for something up to a limit. In: a promise, milliseconds. Out: whether it has settled in time; its rejection is passed on.

export async function inTime(work: Promise<unknown>, limitMs: number): Promise<'done' | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), limitMs).unref();
  });
  try {
    return await Promise.race([work.then(() => 'done' as const), late]);
  } finally {
    clearTimeout(timer);
  }
}
