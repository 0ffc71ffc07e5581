// What processes have used: CPU time from the scheduler's own nanosecond counters, and memory as the kernel shares it out.
import { readdirSync, readFileSync } from 'node:fs';

/** Seconds of all threads so far. */
export function cpuSeconds(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
      nanoseconds += Number(text.split(' ')[0]);
    }
  }
  return nanoseconds / 1e9;
}

/** Proportional set size, in MB of 2^20 bytes. */
export function pssMegabytes(pid: number): number {
  const found = /^Pss: +(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
  return Number(found?.[1]) / 1_024;
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
