// Does what the session of one kind asks for: lists, watches, waits; and tells it what came of that. Changes out, as they come.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../log.ts';
import type { Recorder } from '../../telemetry/recorder.ts';
import { MalformedField } from '../field.ts';
import type { ObjectChange } from '../incremental/resource-store.ts';
import { parseListPage, parseWatchEvent, type WatchEvent } from './api-objects.ts';
import { type ApiClient, ApiRefusal } from './kubernetes-api-client.ts';
import { ListWatchSession, type SessionAction, type SessionEvent, type SessionTimes } from './list-watch-session.ts';
import { firstPageObjects, nextPageObjects } from './page-size.ts';
import { createKindMetrics, type KindMetrics } from './source-metrics.ts';
import type { ApiVersionPath, WatchedKind } from './watched-kinds.ts';

export interface KubernetesWatcherOptions {
  readonly kind: WatchedKind;
  readonly client: ApiClient;
  readonly times: SessionTimes;
  /** Must not throw. */
  readonly onChanges: (changes: readonly ObjectChange[]) => void;
  /** Everything there is of the kind has been delivered, or there is no such kind. May come again. */
  readonly onSynced: () => void;
  readonly log: Logger;
  readonly recorder: Recorder;
}

type Asking<Kind extends 'list' | 'watch' | 'wait' = 'list' | 'watch' | 'wait'> = Extract<
  SessionAction,
  { readonly kind: Kind }
>;

/** The server ends a watch after this; it is then begun again where it was. */
const watchSeconds = 290;
const watchGraceMs = 30_000;

export class KubernetesWatcher {
  readonly #options: KubernetesWatcherOptions;
  readonly #session: ListWatchSession;
  readonly #metrics: KindMetrics;
  readonly #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #pageObjects = firstPageObjects;
  #trouble: { readonly sinceMs: number; readonly reason: string } | undefined;

  constructor(options: KubernetesWatcherOptions) {
    this.#options = options;
    this.#session = new ListWatchSession(options.kind, options.times);
    this.#metrics = createKindMetrics(options.recorder, options.kind.kind);
  }

  start(): void {
    this.#running = this.#run().catch((error: unknown) => {
      if (this.#closing.signal.aborted) return;
      this.#options.log.error({ kind: this.#options.kind.kind, err: error }, 'watch of the Kubernetes API ended');
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    let asking = this.#advance({ kind: 'start' });
    while (asking !== undefined && !this.#closing.signal.aborted) asking = await this.#perform(asking);
  }

  /** @returns what to do next; undefined: go on with what runs */
  #advance(event: SessionEvent): Asking | undefined {
    let next: Asking | undefined;
    for (const action of this.#session.advance(event)) {
      if (action.kind === 'deliver') {
        this.#metrics.changed(action.changes.length);
        this.#options.onChanges(action.changes);
      } else if (action.kind === 'synced') {
        this.#options.onSynced();
      } else {
        next = action;
      }
    }
    return next;
  }

  async #perform(asking: Asking): Promise<Asking | undefined> {
    if (asking.kind === 'wait') {
      // Kinds that lost the API together do not come back together.
      await sleep(asking.delayMs * (0.75 + Math.random() / 2), undefined, { signal: this.#closing.signal });
      return this.#advance({ kind: 'waited' });
    }
    try {
      return asking.kind === 'list' ? await this.#list(asking) : await this.#watch(asking);
    } catch (error) {
      if (this.#closing.signal.aborted) return undefined;
      return this.#advance(this.#failed(error));
    }
  }

  async #list({ from, continueToken }: Asking<'list'>): Promise<Asking | undefined> {
    const { kind, client } = this.#options;
    if (continueToken === '') this.#metrics.listed();
    const query = {
      ...kind.query,
      limit: `${this.#pageObjects}`,
      ...(continueToken !== '' && { continue: continueToken }),
    };
    const { value, sizeBytes } = await client.get({ path: from.path, query, signal: this.#closing.signal });
    const page = parseListPage(value, { apiVersion: from.apiVersion, kind: kind.kind }, this.#onUnreadable);
    this.#pageObjects = nextPageObjects(page.objects.length, sizeBytes);
    this.#reached();
    return this.#advance({ kind: 'page', page });
  }

  async #watch({ from, resourceVersion }: Asking<'watch'>): Promise<Asking | undefined> {
    const { kind, client } = this.#options;
    const startedMs = performance.now();
    const ending = new AbortController();
    const signal = AbortSignal.any([this.#closing.signal, ending.signal]);
    const window = { watch: '1', allowWatchBookmarks: 'true', resourceVersion, timeoutSeconds: `${watchSeconds}` };
    let next: Asking | undefined;
    const onLines = (lines: readonly string[]): void => {
      if (next !== undefined || lines.length === 0) return;
      const events = lines.flatMap((line) => this.#parseEvent(line, from) ?? []);
      next = this.#advance({ kind: 'watched', events });
      if (next !== undefined) ending.abort();
    };
    const request = { path: from.path, query: { ...kind.query, ...window }, signal };
    try {
      await client.watch(request, {
        longestMs: watchSeconds * 1_000 + watchGraceMs,
        onOpen: () => this.#reached(),
        onLines,
      });
    } catch (error) {
      if (next === undefined) throw error;
    }
    return next ?? this.#advance({ kind: 'watch-ended', lastedMs: performance.now() - startedMs });
  }

  #parseEvent(line: string, { apiVersion }: ApiVersionPath): WatchEvent | undefined {
    try {
      return parseWatchEvent(line, { apiVersion, kind: this.#options.kind.kind }, this.#onUnreadable);
    } catch (error) {
      if (!(error instanceof MalformedField || error instanceof SyntaxError)) throw error;
      this.#onUnreadable(`an event cannot be read: ${error.message}`);
      return undefined;
    }
  }

  readonly #onUnreadable = (reason: string): void => {
    this.#options.log.error({ kind: this.#options.kind.kind, reason }, 'object of the Kubernetes API left out');
  };

  #reached(): void {
    const nowMs = performance.now();
    this.#metrics.reached(nowMs);
    if (this.#trouble === undefined) return;
    const outageMs = Math.round(nowMs - this.#trouble.sinceMs);
    this.#options.log.info({ kind: this.#options.kind.kind, outageMs }, 'Kubernetes API reached again');
    this.#trouble = undefined;
  }

  #failed(error: unknown): SessionEvent {
    const { kind, log } = this.#options;
    const atMs = performance.now();
    const status = error instanceof ApiRefusal ? error.status : undefined;
    if (status === 410 || (status === 404 && kind.origin === 'custom')) return { kind: 'failed', status, atMs };
    this.#metrics.failed(atMs);
    const reason = error instanceof Error ? error.message : String(error);
    // Once a reason, not once a try.
    if (this.#trouble?.reason !== reason) {
      const remedy = status === 403 ? '; grant list and watch on it, as the manifests in deploy/cluster do' : '';
      log.warn({ kind: kind.kind, reason }, `Kubernetes API out of reach, what is known of it serves on${remedy}`);
      this.#trouble = { sinceMs: this.#trouble?.sinceMs ?? atMs, reason };
    }
    return { kind: 'failed', status, atMs };
  }
}
