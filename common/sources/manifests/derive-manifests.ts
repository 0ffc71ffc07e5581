// All that manifests say, in one pure step: the mesh they make, and everything that is wrong with them.
// Objects, settings and the last good objects in; snapshot, problems and the objects to remember out.
import type { MeshSnapshot } from '../../mesh/mesh-source.ts';
import { deriveMesh } from '../derive/derive-mesh.ts';
import type { MeshSettings } from '../derive/mesh-settings.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import type { ResourceProblem } from '../resource-problem.ts';
import { type LastGood, readResources } from '../resources.ts';
import { validateManifests } from './validate-manifests.ts';

export interface DerivedManifests {
  readonly snapshot: MeshSnapshot;
  readonly problems: readonly ResourceProblem[];
  readonly lastGood: LastGood;
}

export function deriveManifests(
  objects: readonly KubernetesObject[],
  settings: MeshSettings,
  previous?: LastGood,
): DerivedManifests {
  const read = readResources(objects, settings.systemNamespace, previous);
  const derived = deriveMesh(read.resources, settings);
  const problems = [...read.problems, ...derived.problems, ...validateManifests(objects, read.resources)];
  return { snapshot: derived.snapshot, problems, lastGood: read.lastGood };
}
