// Several kinds of the Kubernetes API, listed and watched together. Out: everything there is at once, when every kind has been seen
// once, so that nothing is missing at the start; then changes as they come. What was seen stands through any outage.
import { MeshError } from '../../errors.ts';
import type { Runnable } from '../../lifecycle.ts';
import type { Logger } from '../../log.ts';
import type { Recorder } from '../../telemetry/recorder.ts';
import type { ObjectChange } from '../incremental/resource-store.ts';
import type { KubernetesAccess } from './kubernetes-access.ts';
import { createApiClient } from './kubernetes-api-client.ts';
import { KubernetesWatcher } from './kubernetes-watcher.ts';
import type { SessionTimes } from './list-watch-session.ts';
import type { WatchedKind } from './watched-kinds.ts';

export interface KindsWatcherOptions {
  readonly access: KubernetesAccess;
  readonly kinds: readonly WatchedKind[];
  /** First with all kinds and all that there is of them, then with each kind by itself. */
  readonly onChanges: (changes: readonly ObjectChange[], touched: readonly WatchedKind[]) => void;
  readonly log: Logger;
  readonly recorder: Recorder;
  readonly times?: Partial<SessionTimes>;
}

const defaultTimes: SessionTimes = { absentRetryMs: 15_000, absenceGraceMs: 60_000 };

/** `start` resolves when everything has been seen once, however long that takes. */
export function createKindsWatcher({
  access,
  kinds,
  onChanges,
  log,
  recorder,
  ...given
}: KindsWatcherOptions): Runnable {
  const gate = createFirstSync(kinds, onChanges);
  const client = createApiClient(access);
  const times = { ...defaultTimes, ...given.times };
  const watchers = kinds.map((kind) => {
    const take = (changes: readonly ObjectChange[]): void => gate.take(changes, kind);
    return new KubernetesWatcher({
      kind,
      client,
      times,
      onChanges: take,
      onSynced: () => gate.synced(kind),
      log,
      recorder,
    });
  });
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => {});
  return {
    async start() {
      await client.open();
      for (const watcher of watchers) watcher.start();
      await Promise.race([gate.whenSynced, ended.promise]);
      log.info({ kinds: kinds.length }, 'Kubernetes API read once whole');
    },
    async drain() {},
    async close() {
      ended.reject(new MeshError('DRAINED', 'ended before the Kubernetes API had been read once'));
      await Promise.all(watchers.map((watcher) => watcher.close()));
    },
  };
}

/** Holds changes back until every kind has been read once, then gives them as one. */
function createFirstSync(kinds: readonly WatchedKind[], onChanges: KindsWatcherOptions['onChanges']) {
  const missing = new Set(kinds);
  const whole = Promise.withResolvers<void>();
  let held: ObjectChange[] = [];
  return {
    whenSynced: whole.promise,
    take(changes: readonly ObjectChange[], kind: WatchedKind): void {
      if (missing.size === 0) onChanges(changes, [kind]);
      else for (const change of changes) held.push(change);
    },
    synced(kind: WatchedKind): void {
      if (!missing.delete(kind) || missing.size > 0) return;
      onChanges(held, kinds);
      held = [];
      whole.resolve();
    },
  };
}
