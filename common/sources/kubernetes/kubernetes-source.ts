// The Kubernetes API as a source of the mesh: each kind listed and watched, derived change by change and written into the index.
// Nothing is written before every kind is there once, so that no policy is missing at the start; what was good serves through
// any outage. Objects of the configuration kinds go on to whoever reads them himself (`onObjects`).
import type { Runnable } from '../../lifecycle.ts';
import type { Logger } from '../../log.ts';
import type { MeshWriter } from '../../mesh/mesh-source.ts';
import type { Recorder } from '../../telemetry/recorder.ts';
import { defaultMeshSettings, type MeshSettings } from '../derive/mesh-settings.ts';
import { IncrementalMesh } from '../incremental/incremental-mesh.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { createProblemLog } from '../manifests/problem-log.ts';
import { ConfigurationObjects, isConfiguration } from './configuration-objects.ts';
import { createKindsWatcher } from './kinds-watcher.ts';
import type { KubernetesAccess } from './kubernetes-access.ts';
import type { SessionTimes } from './list-watch-session.ts';
import { MeshUpdater } from './mesh-updater.ts';
import { createLagMetric } from './source-metrics.ts';
import { meshKinds, type WatchedKind } from './watched-kinds.ts';

export interface KubernetesSourceOptions {
  readonly access: KubernetesAccess;
  readonly writer: MeshWriter;
  /** Whatever differs from istiod's defaults. */
  readonly config: Partial<MeshSettings>;
  /** Beside those that the mesh is made of. */
  readonly furtherKinds?: readonly WatchedKind[];
  /** All objects of custom kinds, and the mesh's configuration, after the mesh has been written: at start and whenever one of them changed. */
  readonly onObjects?: (objects: readonly KubernetesObject[]) => void;
  readonly log: Logger;
  readonly recorder: Recorder;
  readonly times?: Partial<SessionTimes>;
}

/** `start` resolves when everything has been seen once and written, however long that takes. */
export function createKubernetesSource(options: KubernetesSourceOptions): Runnable {
  const settings: MeshSettings = { ...defaultMeshSettings, ...options.config };
  const { access, log, recorder, times = {}, furtherKinds = [], writer, onObjects } = options;
  const mesh = new IncrementalMesh(settings);
  const problemLog = createProblemLog(log);
  const observeLag = createLagMetric(recorder);
  const configuration = new ConfigurationObjects();
  let isConfigurationChanged = false;
  const updater = new MeshUpdater({ mesh, writer, onWritten, log });
  const watcher = createKindsWatcher({
    access,
    kinds: [...meshKinds(settings.systemNamespace), ...furtherKinds],
    onChanges(changes, kind) {
      if (isConfiguration(kind)) {
        configuration.apply(changes);
        isConfigurationChanged = true;
      }
      updater.take(changes);
    },
    onComplete: () => updater.complete(),
    log,
    recorder,
    times,
  });

  function onWritten(lagMs: number): void {
    observeLag(lagMs);
    problemLog.report(mesh.problems());
    if (!isConfigurationChanged) return;
    isConfigurationChanged = false;
    try {
      onObjects?.(configuration.all());
    } catch (error) {
      log.error({ err: error }, 'changes of the configuration could not be applied; what was before them serves');
    }
  }

  return {
    start: () => watcher.start(),
    drain: (deadlineMs) => watcher.drain(deadlineMs),
    async close() {
      await watcher.close();
      await updater.close();
    },
  };
}
