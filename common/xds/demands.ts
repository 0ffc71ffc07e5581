// Names that the mesh misses, from the first who asks until the control plane has told of them: one request each, however many
// wait. Bounded in number and in time. In: names, and what the control plane told. Out: requests, answers to who waits.
import type { DemandOutcome, MeshDemand } from '../mesh/mesh-demand.ts';
import type { Recorder, Series } from '../telemetry/recorder.ts';
import type { Told } from './delta-session.ts';
import { createDemandCounter } from './xds-metrics.ts';

export interface DemandsOptions {
  /** Of the control plane, for the message that nobody answers. */
  readonly address: string;
  readonly ask: (name: string) => void;
  readonly giveUp: (name: string) => void;
  readonly recorder: Recorder;
  /** Default 5 000. */
  readonly waitMs?: number;
}

export interface Demands extends MeshDemand {
  /** What a response said, once it is applied. */
  told(told: readonly Told[]): void;
  /** Nobody will be told any more. */
  close(): void;
}

interface Asked {
  readonly outcome: Promise<DemandOutcome>;
  settle(kind: Told['kind'] | 'unanswered'): void;
}

/** As many connections may wait; more are refused, and try again. */
const maxAsked = 1_024;
/** What was not there is not asked for again at once: connections to the world outside come in numbers. */
const absentForMs = 1_000;
const maxAbsent = 4_096;

export function createDemands(options: DemandsOptions): Demands {
  return new BoundedDemands(options);
}

class BoundedDemands implements Demands {
  readonly #options: DemandsOptions;
  readonly #asked = new Map<string, Asked>();
  /** Until when; the oldest first. */
  readonly #absent = new Map<string, number>();
  readonly #counters: Readonly<Record<Told['kind'] | 'unanswered', Series>>;

  constructor(options: DemandsOptions) {
    this.#options = options;
    this.#counters = createDemandCounter(options.recorder);
  }

  async ask(names: readonly string[]): Promise<DemandOutcome> {
    const outcomes = await Promise.all(names.map((name) => this.#askOne(name)));
    return outcomes.find(({ kind }) => kind === 'unanswered') ?? { kind: 'answered' };
  }

  told(told: readonly Told[]): void {
    for (const { name, kind } of told) {
      if (kind === 'absent') this.#rememberAbsent(name);
      this.#asked.get(name)?.settle(kind);
    }
  }

  close(): void {
    for (const { settle } of [...this.#asked.values()]) settle('unanswered');
  }

  #askOne(name: string): Promise<DemandOutcome> | DemandOutcome {
    const asked = this.#asked.get(name);
    if (asked !== undefined) return asked.outcome;
    if (performance.now() < (this.#absent.get(name) ?? 0)) return { kind: 'answered' };
    if (this.#asked.size >= maxAsked) {
      this.#counters.unanswered.add(1);
      return unanswered(name, `${maxAsked} names are being asked for already`);
    }
    return this.#begin(name);
  }

  #begin(name: string): Promise<DemandOutcome> {
    const { ask, giveUp, address, waitMs = 5_000 } = this.#options;
    const { promise, resolve } = Promise.withResolvers<DemandOutcome>();
    const settle = (kind: Told['kind'] | 'unanswered'): void => {
      clearTimeout(timer);
      this.#asked.delete(name);
      this.#counters[kind].add(1);
      const detail = `the control plane at ${address} has not told of it within ${waitMs} ms; check that it runs`;
      resolve(kind === 'unanswered' ? unanswered(name, detail) : { kind: 'answered' });
    };
    // Whoever waits holds a socket; that alone keeps the process.
    const timer = setTimeout(() => {
      settle('unanswered');
      giveUp(name);
    }, waitMs).unref();
    this.#asked.set(name, { outcome: promise, settle });
    ask(name);
    return promise;
  }

  #rememberAbsent(name: string): void {
    this.#absent.delete(name);
    this.#absent.set(name, performance.now() + absentForMs);
    const [oldest] = this.#absent.keys();
    if (this.#absent.size > maxAbsent && oldest !== undefined) this.#absent.delete(oldest);
  }
}

function unanswered(name: string, why: string): DemandOutcome {
  return { kind: 'unanswered', detail: `whether ${name} is in the mesh is not known: ${why}` };
}
