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
import { createKindsWatcher, type KindsWatcherOptions } from './kinds-watcher.ts';
import type { KubernetesAccess } from './kubernetes-access.ts';
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
  /** All objects of custom kinds, and the mesh's configuration, after the mesh has been written: at start and whenever one of them changed. */
  readonly onObjects?: (objects: readonly KubernetesObject[]) => void;
  readonly log: Logger;
  readonly recorder: Recorder;
  readonly times?: Partial<SessionTimes>;
}

/** `start` resolves when everything has been seen once, however long that takes. */
export function createKubernetesSource(options: KubernetesSourceOptions): Runnable {
  const settings: MeshSettings = { ...defaultMeshSettings, ...options.config };
  const { access, log, recorder, times = {}, furtherKinds = [] } = options;
  const kinds = [...meshKinds(settings.systemNamespace), ...furtherKinds];
  return createKindsWatcher({ access, kinds, onChanges: createMeshUpdater(options, settings), log, recorder, times });
}

/** What a batch of changes does to the mesh, and to whoever reads objects. */
function createMeshUpdater(options: KubernetesSourceOptions, settings: MeshSettings): KindsWatcherOptions['onChanges'] {
  const { writer, log, recorder, onObjects } = options;
  const mesh = new IncrementalMesh(settings);
  const problemLog = createProblemLog(log);
  const observeLag = createLagMetric(recorder);
  const configuration = new ConfigurationObjects();
  return (changes, touched) => {
    const startedMs = performance.now();
    const isOfConfiguration = touched.some(isConfiguration);
    try {
      if (isOfConfiguration) configuration.apply(changes);
      writer.apply(mesh.apply(changes));
      problemLog.report(mesh.problems());
      if (isOfConfiguration) onObjects?.(configuration.all());
    } catch (error) {
      log.error({ err: error }, 'changes of the Kubernetes API could not be applied; the state before them serves');
    }
    observeLag(performance.now() - startedMs);
  };
}
