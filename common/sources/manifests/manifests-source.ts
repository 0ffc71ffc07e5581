// Manifests as a source of the mesh: their objects, narrowed, derived and written into the index as one snapshot.
// An object that goes bad keeps its last good version; problems of all stages are told together.
import type { Runnable } from '../../lifecycle.ts';
import type { Logger } from '../../log.ts';
import type { MeshWriter } from '../../mesh/mesh-source.ts';
import { defaultMeshSettings, type MeshSettings } from '../derive/mesh-settings.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import type { ResourceProblem } from '../resource-problem.ts';
import type { LastGood } from '../resources.ts';
import { deriveManifests } from './derive-manifests.ts';
import { createManifestsReader } from './manifests-reader.ts';
import { createProblemLog } from './problem-log.ts';

export interface ManifestsSourceOptions {
  readonly paths: readonly string[];
  readonly writer: MeshWriter;
  /** Whatever differs from istiod's defaults. */
  readonly config: Partial<MeshSettings>;
  readonly log: Logger;
  /** All objects, after the mesh has been written. */
  readonly onObjects?: (objects: readonly KubernetesObject[]) => void;
  /** All problems there are now; when some came or went. */
  readonly onProblems?: (problems: readonly ResourceProblem[]) => void;
}

export function createManifestsSource(options: ManifestsSourceOptions): Runnable {
  const { paths, writer, log, onObjects, onProblems } = options;
  const settings: MeshSettings = { ...defaultMeshSettings, ...options.config };
  const problemLog = createProblemLog(log);
  let lastGood: LastGood = new Map();
  let ofFiles: readonly ResourceProblem[] = [];
  let ofObjects: readonly ResourceProblem[] = [];
  return createManifestsReader({
    paths,
    log,
    onProblems(problems) {
      ofFiles = problems;
      onProblems?.([...ofFiles, ...ofObjects]);
    },
    onObjects(objects) {
      const derived = deriveManifests(objects, settings, lastGood);
      writer.replace(derived.snapshot);
      lastGood = derived.lastGood;
      ofObjects = derived.problems;
      if (problemLog.report(ofObjects)) onProblems?.([...ofFiles, ...ofObjects]);
      onObjects?.(objects);
    },
  });
}
