// The Kubernetes API as a source of the mesh: each kind listed and watched, derived change by change and written into the index.
// Nothing is written before every kind is there once, so that no policy is missing at the start; what was good serves through
// any outage. Objects of the configuration kinds go on to whoever reads them himself (`onObjects`).
import { MeshError } from '../../errors.ts';
import type { Runnable } from '../../lifecycle.ts';
import type { Logger } from '../../log.ts';
import type { MeshWriter } from '../../mesh/mesh-source.ts';
import type { Recorder } from '../../telemetry/recorder.ts';
import { defaultMeshSettings, type MeshSettings } from '../derive/mesh-settings.ts';
import { IncrementalMesh } from '../incremental/incremental-mesh.ts';
import type { ObjectChange } from '../incremental/resource-store.ts';
import { apiGroup, type KubernetesObject, objectKey } from '../kubernetes-object.ts';
import { createProblemLog } from '../manifests/problem-log.ts';
import type { KubernetesAccess } from './kubernetes-access.ts';
import { createApiClient } from './kubernetes-api-client.ts';
import { KubernetesWatcher } from './kubernetes-watcher.ts';
import type { SessionTimes } from './list-watch-session.ts';
import { createLagMetric } from './source-metrics.ts';
import { meshKinds, type WatchedKind } from './watched-kinds.ts';

export interface KubernetesSourceOptions {
  readonly access: KubernetesAccess;
  readonly writer: MeshWriter;
  /** Whatever differs from istiod's defaults. */
  readonly config: Partial<MeshSettings>;
  /** Beside those that the mesh is made of. */
  readonly furtherKinds?: readonly WatchedKind[];
  /** All objects of custom kinds, after the mesh has been written: at start and whenever one of them changed. */
  readonly onObjects?: (objects: readonly KubernetesObject[]) => void;
  readonly log: Logger;
  readonly recorder: Recorder;
  readonly times?: Partial<SessionTimes>;
}

const customGroups = /(^|\.)istio\.io$|^gateway\.networking\.k8s\.io$/;
const defaultTimes: SessionTimes = { absentRetryMs: 15_000, absenceGraceMs: 60_000 };

/** `start` resolves when everything has been seen once, however long that takes. */
export function createKubernetesSource(options: KubernetesSourceOptions): Runnable {
  const settings: MeshSettings = { ...defaultMeshSettings, ...options.config };
  const kinds = [...meshKinds(settings.systemNamespace), ...(options.furtherKinds ?? [])];
  const { log, recorder } = options;
  const gate = createFirstSync(kinds, createMeshUpdater(options, settings));
  const client = createApiClient(options.access);
  const times = { ...defaultTimes, ...options.times };
  const watchers = kinds.map((kind) => {
    const onChanges = (changes: readonly ObjectChange[]): void => gate.take(changes, kind);
    return new KubernetesWatcher({ kind, client, times, onChanges, onSynced: () => gate.synced(kind), log, recorder });
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

type Update = (changes: readonly ObjectChange[], touched: 'custom' | 'built-in') => void;

/** What a batch of changes does to the mesh, and to whoever reads objects. */
function createMeshUpdater(options: KubernetesSourceOptions, settings: MeshSettings): Update {
  const { writer, log, recorder, onObjects } = options;
  const mesh = new IncrementalMesh(settings);
  const problemLog = createProblemLog(log);
  const observeLag = createLagMetric(recorder);
  const custom = new Map<string, KubernetesObject>();
  return (changes, touched) => {
    const startedMs = performance.now();
    try {
      if (touched === 'custom') for (const change of changes) remember(custom, change);
      writer.apply(mesh.apply(changes));
      problemLog.report(mesh.problems());
      if (touched === 'custom') onObjects?.([...custom.values()]);
    } catch (error) {
      log.error({ err: error }, 'changes of the Kubernetes API could not be applied; the state before them serves');
    }
    observeLag(performance.now() - startedMs);
  };
}

/** Holds changes back until every kind has been read once, then gives them as one. */
function createFirstSync(kinds: readonly WatchedKind[], update: Update) {
  const missing = new Set(kinds);
  const whole = Promise.withResolvers<void>();
  let held: ObjectChange[] = [];
  return {
    whenSynced: whole.promise,
    take(changes: readonly ObjectChange[], { origin }: WatchedKind): void {
      if (missing.size === 0) update(changes, origin);
      else for (const change of changes) held.push(change);
    },
    synced(kind: WatchedKind): void {
      if (!missing.delete(kind) || missing.size > 0) return;
      update(held, 'custom');
      held = [];
      whole.resolve();
    },
  };
}

function remember(custom: Map<string, KubernetesObject>, change: ObjectChange): void {
  if (change.kind === 'gone') custom.delete(change.key);
  else if (customGroups.test(apiGroup(change.object))) custom.set(objectKey(change.object), change.object);
}
