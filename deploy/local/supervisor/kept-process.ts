// A process that is kept running: started again when it ends, as its restart policy says, with growing pauses. What to
// run in; states out through a callback. Stops its whole process group.
import { type ChildProcess, spawn } from 'node:child_process';
import { childEnv } from '../command-process.ts';
import type { LogFile } from './log-file-process.ts';
import { noRestarts, planRestart, type RestartHistory } from './restart-backoff.ts';

export interface KeptCommand {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
}

export type KeptState =
  | { readonly kind: 'running'; readonly pid: number }
  | { readonly kind: 'waiting'; readonly ending: string; readonly delayMs: number }
  | { readonly kind: 'ended'; readonly outcome: 'succeeded' | 'failed'; readonly ending: string };

export interface KeptProcessOptions {
  readonly name: string;
  readonly command: KeptCommand;
  readonly log: LogFile;
  readonly restart: 'Always' | 'OnFailure' | 'Never';
  readonly onState: (state: KeptState) => void;
}

type Phase =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly child: ChildProcess; readonly startedMs: number }
  | { readonly kind: 'waiting'; readonly timer: NodeJS.Timeout }
  | { readonly kind: 'stopped' };

export class KeptProcess {
  readonly #options: KeptProcessOptions;
  #phase: Phase = { kind: 'idle' };
  #history: RestartHistory = noRestarts;
  #restarts = 0;
  #whenGone = Promise.resolve();

  constructor(options: KeptProcessOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#phase.kind === 'running' ? this.#phase.child.pid : undefined;
  }

  get restarts(): number {
    return this.#restarts;
  }

  start(): void {
    if (this.#phase.kind === 'idle') this.#run();
  }

  /** Asks (SIGTERM), then insists (SIGKILL) after the grace period; resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    const phase = this.#phase;
    this.#phase = { kind: 'stopped' };
    if (phase.kind === 'waiting') clearTimeout(phase.timer);
    if (phase.kind !== 'running') return;
    signalGroup(phase.child, 'SIGTERM');
    const insist = setTimeout(() => signalGroup(phase.child, 'SIGKILL'), graceMs);
    await this.#whenGone;
    clearTimeout(insist);
  }

  #run(): void {
    const { command, log, name, onState } = this.#options;
    const [file = '', ...args] = command.argv;
    const child = spawn(file, args, {
      cwd: command.folder,
      env: { ...childEnv(), ...command.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#phase = { kind: 'running', child, startedMs: performance.now() };
    child.stdout.on('data', (chunk: Buffer) => log.write(name, chunk));
    child.stderr.on('data', (chunk: Buffer) => log.write(name, chunk));
    this.#whenGone = new Promise((resolve) => {
      child.on('error', (error) => {
        log.write(name, Buffer.from(`${error.message}\n`));
        if (child.pid === undefined) resolve(this.#ended('failed', `could not be started: ${error.message}`));
      });
      child.on('exit', (code, signal) => {
        signalGroup(child, 'SIGKILL');
        const ending = signal === null ? `exit code ${code}` : `signal ${signal}`;
        resolve(this.#ended(code === 0 ? 'succeeded' : 'failed', ending));
      });
    });
    if (child.pid !== undefined) onState({ kind: 'running', pid: child.pid });
  }

  #ended(outcome: 'succeeded' | 'failed', ending: string): void {
    if (this.#phase.kind !== 'running') return;
    const { onState, restart } = this.#options;
    const again = restart === 'Always' || (restart === 'OnFailure' && outcome === 'failed');
    if (!again) {
      this.#phase = { kind: 'stopped' };
      onState({ kind: 'ended', outcome, ending });
      return;
    }
    const { delayMs, history } = planRestart(this.#history, performance.now() - this.#phase.startedMs);
    this.#history = history;
    this.#restarts += 1;
    this.#phase = { kind: 'waiting', timer: setTimeout(() => this.#run(), delayMs) };
    onState({ kind: 'waiting', ending, delayMs });
  }
}

/** The child leads a group of its own (`detached`); what it started goes with it. */
function signalGroup(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}
