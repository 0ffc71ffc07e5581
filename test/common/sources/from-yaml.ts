// Kubernetes objects, and the mesh derived from them, for tests that say their input as YAML.
import assert from 'node:assert/strict';
import { type DerivedMesh, deriveMesh } from '../../../common/sources/derive/derive-mesh.ts';
import { defaultMeshSettings, type MeshSettings } from '../../../common/sources/derive/mesh-settings.ts';
import type { KubernetesObject } from '../../../common/sources/kubernetes-object.ts';
import { parseManifest } from '../../../common/sources/manifests/manifest-parser.ts';
import { readResources } from '../../../common/sources/resources.ts';

export function objectsOf(yaml: string): readonly KubernetesObject[] {
  const { objects, problems } = parseManifest(yaml, 'test.yaml');
  assert.deepEqual(problems, []);
  return objects;
}

/** Problems are those of reading and of deriving together. */
export function meshOf(yaml: string, settings: Partial<MeshSettings> = {}): DerivedMesh {
  const read = readResources(objectsOf(yaml), 'istio-system');
  const derived = deriveMesh(read.resources, { ...defaultMeshSettings, ...settings });
  return { ...derived, problems: [...read.problems, ...derived.problems] };
}
