// Current certificates by identity: cached, one fetch in flight each, refreshed in the background at half of their
// validity. In: an issuer, a clock. Out: `CertificateSource`. What to do when is decided in `rotation-plan.ts`.
import { MeshError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { CertificateIssuer, CertificateSource, WorkloadCertificate } from './certificate.ts';
import { createFetchQueue, type QueuedFetch, type Urgency } from './fetch-queue.ts';
import type { Identity } from './identity.ts';
import { isValid, planAfterFailure, planRotation, refreshTime } from './rotation-plan.ts';

export interface CertificateStoreOptions {
  readonly issuer: CertificateIssuer;
  readonly log: Logger;
  /** Milliseconds since 1970; default `Date.now`. */
  readonly now?: () => number;
  /** Calls once after a delay and returns how to cancel that; default: a timer that keeps no process alive. */
  readonly schedule?: (delayMs: number, run: () => void) => () => void;
  /** Between 0 and 1; default `Math.random`. */
  readonly jitter?: () => number;
  /** An identity that is neither kept nor asked for in this time is not fetched again; default 24 h. */
  readonly maxIdleMs?: number;
}

export type CertificateState =
  | { readonly kind: 'initializing' }
  | { readonly kind: 'available'; readonly certificate: WorkloadCertificate }
  | { readonly kind: 'unavailable'; readonly error: MeshError };

export interface CertificateEntry {
  readonly identity: Identity;
  readonly state: CertificateState;
}

export interface CertificateStore extends CertificateSource {
  /** Every identity asked for, with what is held of it; sorted by identity. */
  entries(): readonly CertificateEntry[];
  /** A workload with this identity has come: it is fetched before anybody asks, if not too many are, and kept fresh. */
  keep(identity: Identity): void;
  /** The last workload with this identity is gone: it is fetched no more, and who waits for it is refused. */
  forget(identity: Identity): void;
}

interface Slot {
  readonly identity: Identity;
  state: CertificateState;
  lastUsedMs: number;
  dueAtMs: number;
  failures: number;
  /** `kept`: until it is forgotten; `asked`: while somebody asks. */
  use: 'kept' | 'asked';
  inFlight: QueuedFetch<WorkloadCertificate> | undefined;
}

const defaultMaxIdleMs = 86_400_000;
const maxTimerMs = 2 ** 31 - 1;
/** A CA that gives certificates near their end is not asked in a loop. */
const minRefreshMs = 1_000;
/** As ztunnel: more at once would only queue up at the CA. */
const maxConcurrentFetches = 8;
/** More are not fetched ahead, but when they are asked for. */
const maxWaitingAhead = 256;

export function createCertificateStore(options: CertificateStoreOptions): CertificateStore {
  return new RotatingStore(options);
}

class RotatingStore implements CertificateStore {
  readonly #options: CertificateStoreOptions;
  readonly #now: () => number;
  readonly #jitter: () => number;
  readonly #slots = new Map<string, Slot>();
  readonly #queue = createFetchQueue(maxConcurrentFetches);
  #cancelTimer = () => {};
  #closed = false;

  constructor(options: CertificateStoreOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#jitter = options.jitter ?? Math.random;
  }

  async get(identity: Identity): Promise<WorkloadCertificate> {
    if (this.#closed) throw unavailable(identity, 'the certificate store is closed');
    const slot = this.#slotOf(identity);
    slot.lastUsedMs = this.#now();
    const { state } = slot;
    if (state.kind === 'unavailable') throw state.error;
    if (state.kind === 'initializing' || !isValid(state.certificate, this.#now())) {
      return this.#fetch(slot, 'waited-for');
    }
    if (this.#now() >= slot.dueAtMs) this.#fetch(slot, 'background').catch(ignoreSinceLogged);
    return state.certificate;
  }

  keep(identity: Identity): void {
    if (this.#closed) return;
    if (!this.#slots.has(identity.uri) && this.#queue.waiting('ahead') >= maxWaitingAhead) return;
    const slot = this.#slotOf(identity);
    slot.use = 'kept';
    if (slot.state.kind === 'initializing') this.#fetch(slot, 'ahead').catch(ignoreSinceLogged);
  }

  list(): readonly WorkloadCertificate[] {
    return this.entries().flatMap(({ state }) => (state.kind === 'available' ? [state.certificate] : []));
  }

  entries(): readonly CertificateEntry[] {
    return [...this.#slots.values()]
      .map(({ identity, state }) => ({ identity, state }))
      .sort((a, b) => (a.identity.uri < b.identity.uri ? -1 : 1));
  }

  forget(identity: Identity): void {
    this.#slots.delete(identity.uri);
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer();
    this.#slots.clear();
  }

  #slotOf(identity: Identity): Slot {
    const known = this.#slots.get(identity.uri);
    if (known !== undefined) return known;
    const state = { kind: 'initializing' } as const;
    const slot: Slot = {
      ...{ identity, state, use: 'asked', lastUsedMs: this.#now(), dueAtMs: 0, failures: 0, inFlight: undefined },
    };
    this.#slots.set(identity.uri, slot);
    return slot;
  }

  #fetch(slot: Slot, urgency: Urgency): Promise<WorkloadCertificate> {
    slot.inFlight?.hurry(urgency);
    slot.inFlight ??= this.#queueFetch(slot, urgency);
    return slot.inFlight.done;
  }

  #queueFetch(slot: Slot, urgency: Urgency): QueuedFetch<WorkloadCertificate> {
    const { done, hurry } = this.#queue.run(urgency, async () => {
      // One that was forgotten meanwhile is asked of nobody.
      this.#refuseForgotten(slot);
      return await this.#options.issuer.issue(slot.identity);
    });
    const settled = done.then(
      (certificate) => this.#settle(slot, () => this.#succeeded(slot, certificate)),
      (cause: unknown) => this.#settle(slot, () => this.#failed(slot, cause)),
    );
    return { done: settled, hurry };
  }

  #refuseForgotten(slot: Slot): void {
    if (this.#slots.get(slot.identity.uri) === slot) return;
    throw unavailable(slot.identity, 'the identity is no longer needed');
  }

  #settle(slot: Slot, outcome: () => WorkloadCertificate): WorkloadCertificate {
    slot.inFlight = undefined;
    this.#refuseForgotten(slot);
    try {
      return outcome();
    } finally {
      this.#planNext();
    }
  }

  #succeeded(slot: Slot, certificate: WorkloadCertificate): WorkloadCertificate {
    slot.state = { kind: 'available', certificate };
    slot.failures = 0;
    slot.dueAtMs = Math.max(refreshTime(certificate, this.#now(), this.#jitter()), this.#now() + minRefreshMs);
    const notAfter = new Date(certificate.notAfterMs).toISOString();
    this.#options.log.info({ identity: slot.identity.uri, notAfter }, 'certificate fetched');
    return certificate;
  }

  #failed(slot: Slot, cause: unknown): never {
    slot.failures += 1;
    const plan = planAfterFailure(heldBy(slot), slot.failures, this.#now(), this.#jitter());
    slot.dueAtMs = plan.retryAtMs;
    const error = asUnavailable(slot.identity, cause);
    if (plan.kind === 'unavailable') slot.state = { kind: 'unavailable', error };
    const retryInMs = Math.round(plan.retryAtMs - this.#now());
    const outcome = plan.kind === 'keep' ? 'the current certificate is kept' : 'none is held';
    const fields = { identity: slot.identity.uri, retryInMs, error: error.message };
    this.#options.log.warn(fields, `certificate fetch failed, ${outcome}`);
    throw error;
  }

  /** Does what is due, then sets the one timer for what comes next. */
  #planNext(): void {
    this.#cancelTimer();
    this.#cancelTimer = () => {};
    const { maxIdleMs = defaultMaxIdleMs, schedule = scheduleUnref } = this.#options;
    const nowMs = this.#now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const slot of this.#slots.values()) {
      if (slot.inFlight !== undefined) continue;
      const facts = {
        held: heldBy(slot),
        lastUsedMs: slot.use === 'kept' ? nowMs : slot.lastUsedMs,
        dueAtMs: slot.dueAtMs,
      };
      const step = planRotation(facts, nowMs, maxIdleMs);
      if (step.kind === 'fetch') this.#fetch(slot, 'background').catch(ignoreSinceLogged);
      else if (step.kind === 'drop') this.#slots.delete(slot.identity.uri);
      else nextMs = Math.min(nextMs, step.untilMs);
    }
    if (nextMs === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = schedule(Math.min(nextMs - nowMs, maxTimerMs), () => this.#planNext());
  }
}

function heldBy({ state }: Slot): WorkloadCertificate | undefined {
  return state.kind === 'available' ? state.certificate : undefined;
}

function scheduleUnref(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs).unref();
  return () => clearTimeout(timer);
}

/** A background fetch has told the log; a caller who waits for the same fetch gets the error itself. */
function ignoreSinceLogged(): void {}

function asUnavailable(identity: Identity, cause: unknown): MeshError {
  if (cause instanceof MeshError && cause.code === 'IDENTITY_UNAVAILABLE') return cause;
  return unavailable(identity, cause instanceof Error ? cause.message : String(cause), cause);
}

function unavailable(identity: Identity, reason: string, cause?: unknown): MeshError {
  return new MeshError('IDENTITY_UNAVAILABLE', `no certificate for ${identity.uri}: ${reason}`, { cause });
}
