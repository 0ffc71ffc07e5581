// `ambientd derive`: what the mesh makes of manifests or of a dump of the API, offline. Paths in; the workloads, services and
// policies on standard output in istiod's own form (WDS as JSON), every problem as one line on standard error.
import { MeshError } from '../../common/errors.ts';
import { deriveMesh } from '../../common/sources/derive/derive-mesh.ts';
import { defaultMeshSettings } from '../../common/sources/derive/mesh-settings.ts';
import { wdsJson } from '../../common/sources/derive/wds-json.ts';
import type { KubernetesObject } from '../../common/sources/kubernetes-object.ts';
import { createManifestFilesWatcher } from '../../common/sources/manifests/manifest-files-watcher.ts';
import { type ManifestState, nextManifestState, noManifests } from '../../common/sources/manifests/manifest-state.ts';
import { validateManifests } from '../../common/sources/manifests/validate-manifests.ts';
import { formatResourceProblem } from '../../common/sources/resource-problem.ts';
import { readResources } from '../../common/sources/resources.ts';

const templateKinds = ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job', 'CronJob'];

/** @returns the exit code: 1 where a file or an object could not be read, so that what is printed lacks something */
export async function runDerive(paths: readonly string[], format: 'text' | 'json'): Promise<number> {
  const { objects, problems } = await readOnce(paths);
  const read = readResources(objects, defaultMeshSettings.systemNamespace);
  const derived = deriveMesh(read.resources, defaultMeshSettings);
  const unread = [...problems, ...read.problems];
  const told = [...unread, ...derived.problems, ...validateManifests(objects, read.resources)];
  const notes = [...told.map(formatResourceProblem), ...noteOnTemplates(objects)];
  for (const line of notes) process.stderr.write(`ambientd: derive: ${line}\n`);
  const json = wdsJson(derived.snapshot);
  process.stdout.write(`${format === 'json' ? JSON.stringify(json) : JSON.stringify(json, null, 2)}\n`);
  return unread.some(({ severity }) => severity === 'error') ? 1 : 0;
}

async function readOnce(paths: readonly string[]): Promise<ManifestState> {
  let state = noManifests;
  const files = createManifestFilesWatcher({
    paths,
    onFiles: (changed) => {
      state = nextManifestState(state, changed);
    },
  });
  try {
    await files.start();
  } finally {
    await files.close();
  }
  if (state.objects.length > 0) return state;
  const reasons = state.problems.map(formatResourceProblem);
  throw new MeshError(
    'CONFIG_INVALID',
    `derive: no Kubernetes object in ${paths.join(', ')}: ${reasons.join(' | ') || 'there is no *.yaml, *.yml or *.json'}`,
  );
}

/** Pods have addresses, templates have not: only what runs somewhere becomes a workload. */
function noteOnTemplates(objects: readonly KubernetesObject[]): readonly string[] {
  const templates = objects.filter(({ kind }) => templateKinds.includes(kind));
  if (templates.length === 0 || objects.some(({ kind }) => kind === 'Pod')) return [];
  const kinds = [...new Set(templates.map(({ kind }) => kind))].sort().join(', ');
  return [
    `there are templates of pods (${kinds}) and no Pod, so no workload is derived from them; \`kubectl get -o yaml\` gives pods, \`ambientd up\` runs them`,
  ];
}
