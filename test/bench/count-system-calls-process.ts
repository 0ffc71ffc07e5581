// System calls of running processes, counted by strace while something is done. In: pids, the work. Out: calls by name.
// Only the counts mean anything: strace slows the processes down several times.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

/** @throws Error when there is no strace, or it may not trace */
export async function countSystemCalls<T>(
  pids: readonly number[],
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly calls: ReadonlyMap<string, number> }> {
  const folder = mkdtempSync(join(tmpdir(), 'ambientd-strace-'));
  const tracers: ChildProcess[] = [];
  try {
    const files = pids.map((pid) => join(folder, `${pid}`));
    for (const [index, pid] of pids.entries()) {
      tracers.push(spawn('strace', ['-f', '-c', '-o', `${files[index]}`, '-p', `${pid}`], { stdio: 'ignore' }));
    }
    // Until it has attached to every thread.
    await setTimeout(1_000);
    const result = await work();
    for (const tracer of tracers) {
      tracer.kill('SIGINT');
      if (tracer.exitCode === null && tracer.signalCode === null) await once(tracer, 'exit');
    }
    const calls = new Map<string, number>();
    for (const text of files.map((file) => readFileSync(file, 'utf8'))) {
      for (const [, count, name = ''] of text.matchAll(/^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/gm)) {
        if (name !== 'total') calls.set(name, (calls.get(name) ?? 0) + Number(count));
      }
    }
    return { result, calls };
  } finally {
    for (const tracer of tracers) tracer.kill('SIGINT');
    rmSync(folder, { recursive: true, force: true });
  }
}

/** For example `31.2: epoll_ctl 6.1, write 4.0 …`, each for one unit of the work. */
export function describeCalls(calls: ReadonlyMap<string, number>, units: number): string {
  const each = [...calls].map(([name, count]) => [name, count / units] as const).sort((a, b) => b[1] - a[1]);
  const total = each.reduce((sum, [, count]) => sum + count, 0);
  const shown = each.filter(([, count]) => count >= 0.05).map(([name, count]) => `${name} ${count.toFixed(2)}`);
  return `${total.toFixed(1)}: ${shown.join(', ')}`;
}
