// Several kinds of the Kubernetes API, listed and watched together. Out: changes as they come, and the word when every kind has been seen
// once, before which nobody can tell what is still missing. What was seen stands through any outage.
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
  readonly onChanges: (changes: readonly ObjectChange[], kind: WatchedKind) => void;
  /** Every kind has been seen once, with all that there was of it: nothing is missing any more. Must not reject. */
  readonly onComplete: () => void | Promise<void>;
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
  onComplete,
  log,
  recorder,
  ...given
}: KindsWatcherOptions): Runnable {
  const missing = new Set(kinds);
  const whole = Promise.withResolvers<void>();
  const onSynced = async (kind: WatchedKind): Promise<void> => {
    if (!missing.delete(kind) || missing.size > 0) return;
    await onComplete();
    whole.resolve();
  };
  const client = createApiClient(access);
  const times = { ...defaultTimes, ...given.times };
  const watchers = kinds.map((kind) => {
    return new KubernetesWatcher({
      kind,
      client,
      times,
      onChanges: (changes) => onChanges(changes, kind),
      onSynced: () => void onSynced(kind),
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
      await Promise.race([whole.promise, ended.promise]);
      log.info({ kinds: kinds.length }, 'Kubernetes API read once whole');
    },
    async drain() {},
    async close() {
      ended.reject(new MeshError('DRAINED', 'ended before the Kubernetes API had been read once'));
      await Promise.all(watchers.map((watcher) => watcher.close()));
    },
  };
}
