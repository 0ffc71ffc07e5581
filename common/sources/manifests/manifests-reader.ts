// Manifest files as Kubernetes objects, kept up to date: whoever needs objects rather than a mesh stands on this.
// Paths in; the objects, and the problems with them, out, at start and after each change of a file.
import { MeshError } from '../../errors.ts';
import type { Runnable } from '../../lifecycle.ts';
import type { Logger } from '../../log.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { formatResourceProblem, type ResourceProblem } from '../resource-problem.ts';
import { createManifestFilesWatcher } from './manifest-files-watcher.ts';
import { type ManifestState, nextManifestState, noManifests } from './manifest-state.ts';
import { createProblemLog } from './problem-log.ts';

export interface ManifestsReaderOptions {
  /** Files and folders (*.yaml, *.yml, *.json, with what is under them). */
  readonly paths: readonly string[];
  /** All objects, unchanged as they were written; at start and after each change. */
  readonly onObjects: (objects: readonly KubernetesObject[]) => void;
  /** All problems there are now; when some came or went, before `onObjects`. */
  readonly onProblems?: (problems: readonly ResourceProblem[]) => void;
  readonly log: Logger;
}

/** `start` rejects with CONFIG_INVALID only where nothing at all could be read. */
export function createManifestsReader({ paths, onObjects, onProblems, log }: ManifestsReaderOptions): Runnable {
  const problemLog = createProblemLog(log);
  let state: ManifestState = noManifests;
  let isStarted = false;
  const files = createManifestFilesWatcher({
    paths,
    onFiles(changed) {
      state = nextManifestState(state, changed);
      const isNewProblem = problemLog.report(state.problems);
      try {
        if (isNewProblem) onProblems?.(state.problems);
        onObjects(state.objects);
      } catch (error) {
        if (!isStarted) throw error;
        log.error({ err: error }, 'change of manifests could not be applied; the state before it keeps serving');
      }
    },
  });
  return {
    ...files,
    async start() {
      await files.start();
      isStarted = true;
      if (state.objects.length > 0 || !isUnreadable(state)) return;
      await files.close();
      const reason = state.problems.map(formatResourceProblem).join(' | ') || 'there is no *.yaml, *.yml or *.json';
      throw new MeshError('CONFIG_INVALID', `no manifest could be read from ${paths.join(', ')}: ${reason}`);
    },
  };
}

function isUnreadable(state: ManifestState): boolean {
  return state.files.size === 0 || state.problems.some(({ severity }) => severity === 'error');
}
