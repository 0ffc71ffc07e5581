// Runs a command as a pod: inside its namespaces where there are some, else with its proxy entry in the environment.
// Input, output and exit code are the command's own.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { MeshError } from '../../common/errors.ts';
import { childEnv } from './command-process.ts';
import { childrenOf } from './launcher-process.ts';
import type { PodStatus } from './mesh-status.ts';
import type { MeshRecord } from './run-folder.ts';

/** The user's namespaces are entered first: that is what permits the others. */
export function commandInPod(
  record: MeshRecord,
  pod: PodStatus,
  argv: readonly string[],
  folder: string,
): readonly string[] {
  if (pod.sandboxPid === 0) return argv;
  const mesh = ['nsenter', '-t', `${record.first.pid}`, '-U', '--preserve-credentials', '-m', '-p', '-n', '--'];
  const inPod = ['nsenter', '-t', `${pod.sandboxPid}`, '-n', '-m', '-u', '--'];
  return [...mesh, ...inPod, 'sh', '-c', 'cd "$1" 2>/dev/null; shift; exec "$@"', 'sh', folder, ...argv];
}

/** @returns exit code. @throws MeshError IO_FAILED when the command cannot be started */
export function runInPod(record: MeshRecord, pod: PodStatus, argv: readonly string[]): Promise<number> {
  const [file = '', ...args] = commandInPod(record, pod, argv, process.cwd());
  return new Promise((settle, fail) => {
    const child = spawn(file, args, { stdio: 'inherit', env: { ...childEnv(), ...pod.env } });
    const passOn = (signal: NodeJS.Signals) => {
      for (const pid of [...descendantsOf(child.pid ?? 0)].reverse()) kill(pid, signal);
    };
    // The terminal sends SIGINT to all of the group by itself.
    const stayAlive = () => {};
    process.on('SIGINT', stayAlive);
    process.on('SIGTERM', passOn);
    process.on('SIGHUP', passOn);
    child.on('error', (cause) => {
      fail(
        new MeshError('IO_FAILED', `cannot run ${argv[0]} in pod ${pod.namespace}/${pod.name}: ${cause.message}`, {
          cause,
        }),
      );
    });
    child.on('exit', (code, signal) => {
      process.off('SIGINT', stayAlive);
      process.off('SIGTERM', passOn);
      process.off('SIGHUP', passOn);
      settle(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

/** nsenter does not pass signals on to what it started. */
function descendantsOf(pid: number): readonly number[] {
  return [pid, ...childrenOf(pid).flatMap(descendantsOf)];
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}
