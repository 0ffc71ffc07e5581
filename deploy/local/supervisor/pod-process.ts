// One pod while it runs: its sandbox, its enrolment, its containers, and whether it is ready. A PodSpec in; its state out
// through a callback. Containers start only when the pod is enrolled, so that nothing leaves it uncaptured.
import { readFileSync } from 'node:fs';
import type { PodState } from '../materialize/materialize.ts';
import type { ContainerSpec, PodSpec } from '../materialize/pod-spec.ts';
import type { ContainerCommand } from './container-command.ts';
import { KeptProcess, type KeptState } from './kept-process.ts';
import { lastWords } from './last-words.ts';
import { isListening, parseListeningPorts } from './listening-ports.ts';
import type { LogFile } from './log-file-process.ts';
import type { PodSandbox } from './pod-sandbox-process.ts';

export interface PodSurroundings {
  openSandbox(pod: PodSpec): Promise<PodSandbox>;
  /** Resolves when the node proxy serves the pod, or when the pod ends before. */
  enrol(pod: PodSpec, sandbox: PodSandbox, ending: AbortSignal): Promise<void>;
  /** The pod lives on, in plain. */
  leave(pod: PodSpec, sandbox: PodSandbox): Promise<void>;
  /** The pod ends. */
  forget(pod: PodSpec): Promise<void>;
  commandFor(pod: PodSpec, container: ContainerSpec): ContainerCommand;
  logFor(pod: PodSpec): LogFile;
  report(level: 'info' | 'warn', text: string): void;
  changed(): void;
}

interface Container {
  readonly spec: ContainerSpec;
  readonly runs: 'program' | 'echo';
  readonly process: KeptProcess;
  state: KeptState | undefined;
  /** What was told of its last end: the same again is no news, unless the pod was ready between. */
  told: string;
}

const readinessPollMs = 150;
/** A container that runs and does not listen on the ports it declares is ready all the same after this. */
const longestReadinessMs = 5_000;

export class PodProcess {
  readonly #around: PodSurroundings;
  #spec: PodSpec;
  #state: PodState = 'starting';
  #life: 'running' | 'stopped' = 'running';
  readonly #ending = new AbortController();
  #sandbox: PodSandbox | undefined;
  #containers: readonly Container[] = [];
  #readinessTimer: NodeJS.Timeout | undefined;
  /** When a container was started last, again or for the first time. */
  #startedMs = 0;
  /** Steps of one pod never overlap. */
  #steps = Promise.resolve();

  constructor(spec: PodSpec, around: PodSurroundings) {
    this.#spec = spec;
    this.#around = around;
    void this.#next(() => this.#open());
  }

  get spec(): PodSpec {
    return this.#spec;
  }

  get state(): PodState {
    return this.#state;
  }

  /** 0 where pods have no namespaces of their own. */
  get sandboxPid(): number {
    return this.#sandbox?.pid ?? 0;
  }

  get containers(): readonly { readonly name: string; readonly runs: 'program' | 'echo'; readonly restarts: number }[] {
    return this.#containers.map(({ spec, runs, process }) => ({ name: spec.name, runs, restarts: process.restarts }));
  }

  /** Same pod, maybe enrolled now, or no longer. */
  update(spec: PodSpec): void {
    const before = this.#spec.enrollment.kind;
    this.#spec = spec;
    if (before === spec.enrollment.kind) return;
    void this.#next(async () => {
      if (this.#sandbox === undefined || this.#life === 'stopped') return;
      if (spec.enrollment.kind === 'enrolled') await this.#around.enrol(spec, this.#sandbox, this.#ending.signal);
      else await this.#around.leave(spec, this.#sandbox);
    });
  }

  async stop(graceMs: number): Promise<void> {
    this.#life = 'stopped';
    this.#ending.abort();
    clearInterval(this.#readinessTimer);
    const stopContainers = () => Promise.all(this.#containers.map(({ process }) => process.stop(graceMs)));
    await stopContainers();
    await this.#around.forget(this.#spec);
    await this.#next(async () => {
      await stopContainers();
      this.#sandbox?.close();
    });
  }

  #next(step: () => Promise<void>): Promise<void> {
    this.#steps = this.#steps.then(step).catch((error: unknown) => {
      this.#around.report('warn', `pod ${this.#spec.key}: ${error instanceof Error ? error.message : String(error)}`);
      this.#setState('failed');
    });
    return this.#steps;
  }

  #setState(next: PodState): void {
    if (this.#life === 'stopped' || next === this.#state) return;
    this.#state = next;
    this.#around.changed();
  }

  async #open(): Promise<void> {
    if (this.#life === 'stopped') return;
    const sandbox = await this.#around.openSandbox(this.#spec);
    this.#sandbox = sandbox;
    if (this.#spec.enrollment.kind === 'enrolled') await this.#around.enrol(this.#spec, sandbox, this.#ending.signal);
    if (this.#life === 'running') this.#startContainers(sandbox);
  }

  #startContainers(sandbox: PodSandbox): void {
    const log = this.#around.logFor(this.#spec);
    this.#containers = this.#spec.containers.map((spec) => {
      const command = this.#around.commandFor(this.#spec, spec);
      const container: Container = {
        spec,
        runs: command.kind,
        state: undefined,
        told: '',
        process: new KeptProcess({
          name: spec.name,
          command: { argv: insideArgv(sandbox, spec, command), env: command.env, folder: command.folder },
          log,
          restart: this.#spec.restartPolicy,
          onState: (state) => this.#onContainer(container, state, log),
        }),
      };
      return container;
    });
    for (const { process } of this.#containers) process.start();
    if (this.#containers.length === 0) this.#setState('ready');
  }

  #onContainer(container: Container, state: KeptState, log: LogFile): void {
    container.state = state;
    if (this.#life === 'stopped') return;
    if (state.kind === 'running') this.#watchReadiness();
    if (state.kind === 'ended') this.#settleEnded();
    if (state.kind !== 'waiting') return;
    const words = lastWords(log.tail());
    const what = `pod ${this.#spec.key}, container ${container.spec.name} ended (${state.ending})`;
    const news = `${state.ending}: ${words}`;
    if (news !== container.told) {
      const text = `${what}, again in ${state.delayMs} ms, then later each time; it said: ${words} (${log.path})`;
      this.#around.report('warn', text);
    }
    container.told = news;
    this.#setState('starting');
  }

  #settleEnded(): void {
    const outcomes = this.#containers.map(({ state }) => (state?.kind === 'ended' ? state.outcome : undefined));
    if (outcomes.includes(undefined)) return;
    this.#setState(outcomes.includes('failed') ? 'failed' : 'succeeded');
  }

  #watchReadiness(): void {
    this.#startedMs = performance.now();
    if (this.#readinessTimer !== undefined) return;
    this.#readinessTimer = setInterval(() => {
      if (!this.#containers.every(({ state }) => state?.kind === 'running')) return;
      const runs = performance.now() - this.#startedMs > longestReadinessMs;
      const waited = runs && this.#spec.role.kind === 'application';
      if (!waited && !portsAreOpen(this.#spec, this.#sandbox)) return;
      clearInterval(this.#readinessTimer);
      this.#readinessTimer = undefined;
      for (const container of this.#containers) container.told = '';
      this.#setState('ready');
    }, readinessPollMs);
  }
}

/** Entering a mount namespace leaves the folder behind, so the shell goes back to it; programs that refuse to be root get the user they ask for. */
function insideArgv(sandbox: PodSandbox, container: ContainerSpec, command: ContainerCommand): readonly string[] {
  if (sandbox.entry.length === 0) return command.argv;
  const user = `${container.runAsUser}`;
  const asUser =
    container.runAsUser === undefined ? [] : ['unshare', '-U', `--map-user=${user}`, `--map-group=${user}`, '--'];
  return [
    ...sandbox.entry,
    ...asUser,
    'sh',
    '-c',
    'cd "$1" && shift && exec "$@"',
    'sh',
    command.folder,
    ...command.argv,
  ];
}

/** A waypoint is ready when it ends tunnels; it declares other ports too. */
function portsAreOpen(spec: PodSpec, sandbox: PodSandbox | undefined): boolean {
  const ports = spec.role.kind === 'waypoint' ? [15008] : spec.containers.flatMap((container) => container.ports);
  if (ports.length === 0) return true;
  const process = sandbox?.pid ?? 'self';
  const open = ['tcp', 'tcp6'].flatMap((table) => {
    try {
      return parseListeningPorts(readFileSync(`/proc/${process}/net/${table}`, 'utf8'));
    } catch {
      return [];
    }
  });
  return ports.every((port) => isListening(open, spec.ip, port));
}
