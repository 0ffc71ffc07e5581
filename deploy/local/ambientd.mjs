#!/usr/bin/env node
// The command `ambientd` on whatever Node the machine has: runs deploy/local/main.ts on the Node that package-lock.json
// pins, passes signals on and hands the exit code back. When this process dies, the child sees its lifeline close.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
const node = [join(root, 'node_modules', 'node', 'bin', 'node'), join(root, 'node_modules', '.bin', 'node')].find(
  existsSync,
);

/** Parent and grandparent: npm runs a script through a shell that outlives it. */
function ancestors() {
  const parents = [process.ppid];
  try {
    const stat = readFileSync(`/proc/${process.ppid}/stat`, 'utf8');
    parents.push(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  } catch {}
  return parents.join();
}

if (node === undefined) {
  process.stderr.write(`ambientd: not installed yet: run "npm ci" in ${root} (npm start does it by itself)\n`);
  process.exitCode = 1;
} else {
  const child = spawn(node, [join(here, 'main.ts'), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: { ...process.env, AMBIENTD_LIFELINE_FD: '3' },
  });
  // A terminal sends SIGINT to the whole group, so the child has it already; the others come to this process alone.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  if (process.env.npm_lifecycle_event !== undefined) {
    const born = ancestors();
    setInterval(() => ancestors() !== born && child.kill('SIGTERM'), 500).unref();
  }
  child.on('error', (error) => {
    process.stderr.write(`ambientd: cannot run ${node}: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}
