// A program that runs for a test: started with an environment of its own, its output kept, ended with the test.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';

export interface KeptProgram {
  /** Everything written so far to standard output and standard error. */
  log(): string;
  /** Waits for it, in what has been and will be written. @throws when the program ends or a minute passes */
  says(pattern: RegExp): Promise<void>;
  /** @returns its exit code; undefined where it had to be killed */
  stop(): Promise<number | undefined>;
}

const longestWaitMs = 60_000;
const longestStopMs = 10_000;

export function startProgram(
  t: Pick<Test, 'teardown'>,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
): KeptProgram {
  // Dies with this process too, should this one be killed before it can clean up.
  const [file = '', ...args] = ['setpriv', '--pdeathsig', 'KILL', ...command];
  const child = spawn(file, args, {
    cwd,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += String(chunk)));
  const closed = once(child, 'close');
  const program: KeptProgram = {
    log: () => log,
    async says(pattern) {
      for (const end = Date.now() + longestWaitMs; !pattern.test(log); await setTimeout(50)) {
        if (child.exitCode !== null || Date.now() > end) throw new Error(`it never said ${pattern}:\n${log}`);
      }
    },
    async stop() {
      child.kill('SIGTERM');
      const ended = new AbortController();
      const late = setTimeout(longestStopMs, undefined, { signal: ended.signal }).then(
        () => child.kill('SIGKILL'),
        () => {},
      );
      await closed;
      ended.abort();
      await late;
      return child.exitCode ?? undefined;
    },
  };
  t.teardown(async () => void (await program.stop()));
  return program;
}
