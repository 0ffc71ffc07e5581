// Runs the command `ambientd` for tests as a user would: the same program, its own folder for run files, and nothing left
// behind. Words in; output, exit code, or a mesh that runs, out.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const command = fileURLToPath(new URL('../../deploy/local/ambientd.mjs', import.meta.url));
const timeoutMs = 120_000;
/**
 * The test runner loads itself into every Node below it: that costs time, and writes where an ordinary user may not. And when
 * the runner kills a test, what the test has started ends too.
 */
export const asByHand = ['setpriv', '--pdeathsig', 'TERM', 'env', '-u', 'NODE_OPTIONS'] as const;

export interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

export interface RunningMesh {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  /** What it has printed so far. */
  output(): string;
  /** Resolves when the output matches. */
  says(pattern: RegExp): Promise<void>;
}

export interface AmbientdFolder {
  readonly path: string;
  run(...words: string[]): Promise<Ended>;
  start(...words: string[]): RunningMesh;
  /** Inside another program, such as `unshare -Ur`. */
  runUnder(outer: readonly string[], ...words: string[]): Promise<Ended>;
  /** Run folders of meshes, running or left behind. */
  runFolders(): readonly string[];
  /** Processes of meshes with a run folder here, whoever started them. */
  processes(): readonly number[];
  /** Waits until no process and no run folder is left. */
  isClean(): Promise<boolean>;
  remove(): void;
}

export function openAmbientdFolder(): AmbientdFolder {
  const path = mkdtempSync(join(tmpdir(), 'amb-'));
  // As under npm, the command ends when its parents are killed: a test runner that is killed leaves no mesh.
  const npm = { npm_lifecycle_event: 'test' };
  const env = { ...process.env, ...npm, TMPDIR: path, XDG_RUNTIME_DIR: '', NO_COLOR: '1' };
  const startUnder = (outer: readonly string[], ...words: string[]): RunningMesh => {
    const [file = '', ...args] = [...asByHand, ...outer, process.execPath, command, ...words];
    const child = spawn(file, args, {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, as a shell gives it: Ctrl-C goes to all of it.
      detached: true,
      timeout: timeoutMs,
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    const ended = new Promise<Ended>((resolve) => child.on('close', (code) => resolve({ code, output, errors })));
    return {
      process: child,
      ended,
      output: () => output,
      async says(pattern) {
        const done = ended.then(() => 'ended');
        while (!pattern.test(output)) {
          const first = await Promise.race([done, pause(50)]);
          if (first === 'ended' && !pattern.test(output))
            throw new Error(`ended before it said ${pattern}: ${output} ${errors}`);
        }
      },
    };
  };
  const start = (...words: string[]) => startUnder([], ...words);
  const runFolders = () => readdirSync(path).filter((name) => name.startsWith('ambientd-'));
  const processes = () =>
    processNumbers().filter((pid) =>
      environmentOf(pid).some((entry) => entry.startsWith(`AMBIENTD_RUN_FOLDER=${path}`)),
    );
  return {
    path,
    start,
    run: (...words) => start(...words).ended,
    runUnder: (outer, ...words) => startUnder(outer, ...words).ended,
    runFolders,
    processes,
    async isClean() {
      for (let tries = 0; tries < 200; tries += 1) {
        if (runFolders().length === 0 && processes().length === 0) return true;
        await pause(50);
      }
      return false;
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function processNumbers(): readonly number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
