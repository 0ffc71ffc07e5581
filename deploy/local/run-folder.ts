// Where a running mesh keeps its files, and what it writes there about itself. Facts in, paths and records out; pure.
import { join } from 'node:path';
import { fieldsOf, textOf } from './materialize/kubernetes-object.ts';

export interface RunFolderFacts {
  /** XDG_RUNTIME_DIR, where it is a folder that we may write. */
  readonly runtimeFolder: string | undefined;
  readonly tempFolder: string;
  readonly userId: number;
}

/** A Unix socket's path ends at 107 bytes; the longest we append is `/ztunnel.sock`. */
const longestFolder = 90;

/** The temp folder is everybody's, so names there carry the user's number. */
export function runFolderPath(facts: RunFolderFacts, mesh: string): string {
  const candidates = runFolderParents(facts).map(({ folder, suffix }) => join(folder, `ambientd-${mesh}${suffix}`));
  return (
    candidates.find((path) => Buffer.byteLength(path) <= longestFolder) ??
    join('/tmp', `ambientd-${mesh}-${facts.userId}`)
  );
}

/** As the command line allows it. */
const longestMeshName = 32;

/**
 * Every place to look for meshes that run. /tmp only where the temp folder is too deep for some names: whoever sets a temp
 * folder of their own, as tests do, meets nobody else's mesh.
 */
export function runFolderParents(
  facts: RunFolderFacts,
): readonly { readonly folder: string; readonly suffix: string }[] {
  const { runtimeFolder, tempFolder, userId } = facts;
  const suffix = `-${userId}`;
  const longest = join(tempFolder, `ambientd-${'x'.repeat(longestMeshName)}${suffix}`);
  const deep = Buffer.byteLength(longest) > longestFolder ? [{ folder: '/tmp', suffix }] : [];
  const runtime = runtimeFolder === undefined ? [] : [{ folder: runtimeFolder, suffix: '' }];
  return [...runtime, { folder: tempFolder, suffix }, ...deep];
}

/** A process, safe against its number being given to another one. */
export interface ProcessMark {
  readonly pid: number;
  /** Clock ticks after boot. */
  readonly startedAt: string;
}

/** Written when the mesh serves. */
export interface MeshRecord {
  readonly mesh: string;
  readonly launcher: ProcessMark;
  /** Process 1 of the mesh's namespaces, numbered as outside; the supervisor where there are none. */
  readonly first: ProcessMark;
  readonly isolation: 'namespaces' | 'process-namespace' | 'none';
  readonly gateUrl: string;
}

export const recordFile = 'mesh.json';
export const launcherFile = 'launcher.json';

export function parseMeshRecord(text: string): MeshRecord | undefined {
  const fields = fieldsOf(parseJson(text));
  const mesh = textOf(fields['mesh']);
  const launcher = parseProcessMark(fields['launcher']);
  const first = parseProcessMark(fields['first']);
  const gateUrl = textOf(fields['gateUrl']);
  const isolation = (['namespaces', 'process-namespace', 'none'] as const).find((kind) => kind === fields['isolation']);
  if (!mesh || !launcher || !first || !gateUrl || !isolation) return undefined;
  return { mesh, launcher, first, gateUrl, isolation };
}

export function parseProcessMark(value: unknown): ProcessMark | undefined {
  const fields = fieldsOf(value);
  const pid = fields['pid'];
  const startedAt = textOf(fields['startedAt']);
  return typeof pid === 'number' && startedAt !== undefined ? { pid, startedAt } : undefined;
}

/** Field 22 of /proc/<pid>/stat; the second field may hold spaces and brackets. */
export function startTimeOf(stat: string): string | undefined {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
