// Configuration from the Kubernetes API where the mesh itself is known from elsewhere (istiod). Kinds in, all of their objects out:
// once at the start, and whenever one of them changed.
import type { Runnable } from '../../lifecycle.ts';
import type { Logger } from '../../log.ts';
import type { Recorder } from '../../telemetry/recorder.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { ConfigurationObjects } from './configuration-objects.ts';
import { createKindsWatcher } from './kinds-watcher.ts';
import type { KubernetesAccess } from './kubernetes-access.ts';
import type { SessionTimes } from './list-watch-session.ts';
import type { WatchedKind } from './watched-kinds.ts';

export interface ConfigurationSourceOptions {
  readonly access: KubernetesAccess;
  readonly kinds: readonly WatchedKind[];
  readonly onObjects: (objects: readonly KubernetesObject[]) => void;
  readonly log: Logger;
  readonly recorder: Recorder;
  readonly times?: Partial<SessionTimes>;
}

/** `start` resolves when everything has been seen once, however long that takes. */
export function createConfigurationSource({ onObjects, ...watched }: ConfigurationSourceOptions): Runnable {
  const objects = new ConfigurationObjects();
  const { log } = watched;
  let stage: 'loading' | 'complete' = 'loading';
  const tell = (): void => {
    if (stage === 'loading') return;
    try {
      onObjects(objects.all());
    } catch (error) {
      log.error({ err: error }, 'changes of the configuration could not be applied; what was before them serves');
    }
  };
  return createKindsWatcher({
    ...watched,
    onChanges(changes) {
      objects.apply(changes);
      tell();
    },
    onComplete() {
      stage = 'complete';
      tell();
    },
  });
}
