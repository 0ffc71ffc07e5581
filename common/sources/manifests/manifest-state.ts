// What a set of manifest files says now, given what it said before: a file that is broken keeps its last good objects.
// Pure: texts of files in; objects without duplicates, and all problems, out.
import { type KubernetesObject, objectKey, problemWith } from '../kubernetes-object.ts';
import type { ResourceProblem } from '../resource-problem.ts';
import { unusedKindsProblem } from './manifest-kinds.ts';
import { parseManifest } from './manifest-parser.ts';

export type ManifestFile =
  | { readonly kind: 'read'; readonly file: string; readonly text: string }
  | { readonly kind: 'unchanged'; readonly file: string }
  | { readonly kind: 'failed'; readonly file: string; readonly problem: ResourceProblem };

interface FileState {
  readonly objects: readonly KubernetesObject[];
  readonly problems: readonly ResourceProblem[];
}

export interface ManifestState {
  readonly files: ReadonlyMap<string, FileState>;
  readonly objects: readonly KubernetesObject[];
  readonly problems: readonly ResourceProblem[];
}

export const noManifests: ManifestState = { files: new Map(), objects: [], problems: [] };

/** @param files every file there is, in the order in which they are read; one that is missing is forgotten */
export function nextManifestState(previous: ManifestState, files: readonly ManifestFile[]): ManifestState {
  const states = new Map(files.map((file) => [file.file, nextFileState(previous.files.get(file.file), file)]));
  const { objects, problems } = mergeFiles([...states.values()]);
  return { files: states, objects, problems: [...problems, ...unusedKindsProblem(objects)] };
}

function nextFileState(previous: FileState | undefined, file: ManifestFile): FileState {
  const nothing = { objects: [], problems: [] };
  if (file.kind === 'unchanged') return previous ?? nothing;
  if (file.kind === 'failed') return { objects: previous?.objects ?? [], problems: [file.problem] };
  const parsed = parseManifest(file.text, file.file);
  const keepsLastGood = parsed.state === 'broken' && previous !== undefined && previous.objects.length > 0;
  return { objects: keepsLastGood ? previous.objects : parsed.objects, problems: parsed.problems };
}

/** The later of two equal objects wins. */
function mergeFiles(states: readonly FileState[]): FileState {
  const merged = new Map<string, KubernetesObject>();
  const problems = states.flatMap((state) => state.problems);
  for (const object of states.flatMap((state) => state.objects)) {
    const key = objectKey(object);
    const earlier = merged.get(key);
    if (earlier !== undefined) problems.push(duplicateProblem(earlier, object));
    merged.set(key, object);
  }
  return { objects: [...merged.values()], problems };
}

function duplicateProblem(earlier: KubernetesObject, later: KubernetesObject): ResourceProblem {
  const place = earlier.origin?.line === undefined ? '' : `:${earlier.origin.line}`;
  return problemWith(later, {
    severity: 'warning',
    message: `is written twice, first in ${earlier.origin?.file}${place}`,
    remedy: 'this later one is used; remove the other',
    field: undefined,
  });
}
