// One kind of the Kubernetes API, listed and then watched, as a state machine: answers in, what to ask next and what has changed
// out. No socket and no clock: times come with the events. What was listed goes on being known through any outage; an answer
// that the kind does not exist takes it away only where it was empty or the answer lasts. Source: istio-control.md §3.13.
import type { ObjectChange } from '../incremental/resource-store.ts';
import type { ListPage, WatchEvent } from './api-objects.ts';
import type { ApiVersionPath, WatchedKind } from './watched-kinds.ts';

export type SessionEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'page'; readonly page: ListPage }
  | { readonly kind: 'watched'; readonly events: readonly WatchEvent[] }
  | { readonly kind: 'watch-ended'; readonly lastedMs: number }
  /** `status` is undefined where there was no answer. */
  | { readonly kind: 'failed'; readonly status: number | undefined; readonly atMs: number }
  | { readonly kind: 'waited' };

export type SessionAction =
  | { readonly kind: 'list'; readonly from: ApiVersionPath; readonly continueToken: string }
  /** In place of a watch that may still run. */
  | { readonly kind: 'watch'; readonly from: ApiVersionPath; readonly resourceVersion: string }
  | { readonly kind: 'wait'; readonly delayMs: number }
  | { readonly kind: 'deliver'; readonly changes: readonly ObjectChange[] }
  | { readonly kind: 'synced'; readonly presence: 'present' | 'absent' };

/** `fresh`: keys of what the list has told so far. */
type Phase = { readonly kind: 'listing'; readonly fresh: Set<string> } | { readonly kind: 'watching' };

export interface SessionTimes {
  readonly absentRetryMs: number;
  /** How long "there is no such kind" must last to take away objects that are known of it. */
  readonly absenceGraceMs: number;
}

const firstDelayMs = 250;
const longestDelayMs = 10_000;
/** A watch that ends sooner, with nothing said, is not begun again at once. */
const shortWatchMs = 1_000;
/** Refusals of a watch after which its place in history is taken for lost. */
const maxWatchRefusals = 3;

export class ListWatchSession {
  readonly #kind: WatchedKind;
  readonly #times: SessionTimes;
  /** Versions by key, of everything that was delivered. */
  #known = new Map<string, string>();
  #phase: Phase = { kind: 'listing', fresh: new Set() };
  #version = 0;
  #resourceVersion = '';
  #failures = 0;
  #absentSinceMs: number | undefined;
  #hasHeard = false;

  constructor(kind: WatchedKind, times: SessionTimes) {
    this.#kind = kind;
    this.#times = times;
  }

  get knownCount(): number {
    return this.#known.size;
  }

  advance(event: SessionEvent): readonly SessionAction[] {
    switch (event.kind) {
      case 'start':
        return this.#list();
      case 'waited':
        return this.#phase.kind === 'watching' ? this.#watch() : this.#list();
      case 'page':
        return this.#takePage(event.page);
      case 'watched':
        return this.#takeEvents(event.events);
      case 'watch-ended':
        if (this.#hasHeard || event.lastedMs >= shortWatchMs) return this.#watch();
        return this.#backOff();
      case 'failed':
        return this.#fail(event.status, event.atMs);
    }
  }

  #list(): readonly SessionAction[] {
    this.#phase = { kind: 'listing', fresh: new Set() };
    return [{ kind: 'list', from: this.#from(), continueToken: '' }];
  }

  #watch(): readonly SessionAction[] {
    this.#phase = { kind: 'watching' };
    this.#hasHeard = false;
    return [{ kind: 'watch', from: this.#from(), resourceVersion: this.#resourceVersion }];
  }

  /** What is there is delivered page by page; what is gone is known after the last one. */
  #takePage(page: ListPage): readonly SessionAction[] {
    const fresh = this.#phase.kind === 'listing' ? this.#phase.fresh : new Set<string>();
    this.#failures = 0;
    this.#absentSinceMs = undefined;
    const changes: ObjectChange[] = [];
    for (const { key, resourceVersion, object } of page.objects) {
      fresh.add(key);
      if (resourceVersion !== '' && this.#known.get(key) === resourceVersion) continue;
      this.#known.set(key, resourceVersion);
      changes.push({ kind: 'put', object });
    }
    if (page.continueToken !== '') {
      this.#phase = { kind: 'listing', fresh };
      return [...deliver(changes), { kind: 'list', from: this.#from(), continueToken: page.continueToken }];
    }
    for (const key of this.#known.keys()) {
      if (fresh.has(key)) continue;
      this.#known.delete(key);
      changes.push({ kind: 'gone', key });
    }
    this.#resourceVersion = page.resourceVersion;
    return [...deliver(changes), { kind: 'synced', presence: 'present' }, ...this.#watch()];
  }

  #takeEvents(events: readonly WatchEvent[]): readonly SessionAction[] {
    const changes: ObjectChange[] = [];
    for (const event of events) {
      if (event.kind === 'error') {
        const next = event.status === 410 ? this.#list() : this.#backOff();
        return [...deliver(changes), ...next];
      }
      this.#hasHeard = true;
      this.#failures = 0;
      if (event.kind === 'bookmark') {
        this.#resourceVersion = event.resourceVersion;
        continue;
      }
      const { key, resourceVersion, object } = event.listed;
      this.#resourceVersion = resourceVersion;
      if (event.kind === 'put') this.#known.set(key, resourceVersion);
      else this.#known.delete(key);
      changes.push(event.kind === 'put' ? { kind: 'put', object } : { kind: 'gone', key });
    }
    return deliver(changes);
  }

  #fail(status: number | undefined, atMs: number): readonly SessionAction[] {
    if (status === 410) return this.#list();
    if (status === 404 && this.#kind.origin === 'custom') return this.#notFound(atMs);
    const isRefused = status !== undefined && this.#failures >= maxWatchRefusals;
    if (this.#phase.kind === 'listing' || isRefused) this.#phase = { kind: 'listing', fresh: new Set() };
    return this.#backOff();
  }

  #notFound(atMs: number): readonly SessionAction[] {
    if (this.#phase.kind === 'watching') return this.#list();
    this.#version += 1;
    if (this.#version < this.#kind.versions.length) return this.#list();
    this.#version = 0;
    this.#absentSinceMs ??= atMs;
    const delayMs = this.#times.absentRetryMs * (this.#kind.patience ?? 1);
    const wait: SessionAction = { kind: 'wait', delayMs };
    if (this.#known.size > 0 && atMs - this.#absentSinceMs < this.#times.absenceGraceMs) return [wait];
    const changes = [...this.#known.keys()].map((key): ObjectChange => ({ kind: 'gone', key }));
    this.#known = new Map();
    return [...deliver(changes), { kind: 'synced', presence: 'absent' }, wait];
  }

  #backOff(): readonly SessionAction[] {
    const delayMs = Math.min(firstDelayMs * 2 ** this.#failures, longestDelayMs);
    this.#failures = Math.min(this.#failures + 1, 20);
    return [{ kind: 'wait', delayMs }];
  }

  #from(): ApiVersionPath {
    const from = this.#kind.versions[this.#version];
    if (from === undefined) throw new RangeError(`${this.#kind.kind} has no version ${this.#version}`);
    return from;
  }
}

function deliver(changes: readonly ObjectChange[]): readonly SessionAction[] {
  return changes.length === 0 ? [] : [{ kind: 'deliver', changes }];
}
