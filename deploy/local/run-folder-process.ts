// The run folder on disk: made (0700) by `up`, found by `exec`, `status` and `down`, removed at the end. A folder whose
// launcher is dead is a remnant of a killed mesh and is removed.
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MeshError } from '../../common/errors.ts';
import {
  launcherFile,
  type MeshRecord,
  type ProcessMark,
  parseJson,
  parseMeshRecord,
  parseProcessMark,
  type RunFolderFacts,
  recordFile,
  runFolderParents,
  runFolderPath,
  startTimeOf,
} from './run-folder.ts';

/** @throws MeshError CONFIG_INVALID when a mesh of that name runs, IO_FAILED when the folder cannot be made */
export function createRunFolder(mesh: string): string {
  const folder = runFolderPath(runFolderFacts(), mesh);
  const owner = launcherOf(folder);
  if (owner !== undefined && isAlive(owner)) {
    throw new MeshError(
      'CONFIG_INVALID',
      `a mesh named "${mesh}" runs already (process ${owner.pid}): end it with "ambientd down --name ${mesh}", or choose another --name`,
    );
  }
  try {
    removeOwn(folder);
    mkdirSync(folder, { mode: 0o700 });
    writeFileSync(join(folder, launcherFile), JSON.stringify(markOf(process.pid)), { mode: 0o600 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MeshError(
      'IO_FAILED',
      `cannot make the run folder ${folder} (${reason}): set XDG_RUNTIME_DIR or TMPDIR to a folder of yours`,
      {
        cause: error,
      },
    );
  }
  return folder;
}

export function removeRunFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}

export function writeMeshRecord(folder: string, record: MeshRecord): void {
  writeFileSync(join(folder, recordFile), `${JSON.stringify(record)}\n`, { mode: 0o600 });
}

/** @throws MeshError CONFIG_INVALID when none, or more than one and no name, runs */
export function findRunningMesh(name: string | undefined): MeshRecord & { readonly folder: string } {
  const running = runningMeshes().filter((record) => name === undefined || record.mesh === name);
  const [first, ...others] = running;
  if (first === undefined) {
    const which = name === undefined ? 'no mesh runs' : `no mesh named "${name}" runs`;
    throw new MeshError('CONFIG_INVALID', `${which}: start one with "npm start" or "ambientd up"`);
  }
  if (others.length > 0) {
    const names = running.map((record) => record.mesh).join(', ');
    throw new MeshError('CONFIG_INVALID', `several meshes run (${names}): choose one with --name`);
  }
  return first;
}

function runningMeshes(): readonly (MeshRecord & { readonly folder: string })[] {
  const parents = runFolderParents(runFolderFacts());
  const folders = parents.flatMap(({ folder, suffix }) =>
    namesIn(folder)
      .filter((entry) => entry.startsWith('ambientd-') && entry.endsWith(suffix))
      .map((entry) => join(folder, entry)),
  );
  return [...new Set(folders)].flatMap((folder) => {
    const record = parseMeshRecord(readOwn(join(folder, recordFile)));
    return record !== undefined && isAlive(record.launcher) ? [{ ...record, folder }] : [];
  });
}

export function markOf(pid: number): ProcessMark {
  return { pid, startedAt: startTimeOf(readOwn(`/proc/${pid}/stat`)) ?? '' };
}

export function isAlive(mark: ProcessMark): boolean {
  const now = readOwn(`/proc/${mark.pid}/stat`);
  return now !== '' && startTimeOf(now) === mark.startedAt;
}

function launcherOf(folder: string): ProcessMark | undefined {
  return parseProcessMark(parseJson(readOwn(join(folder, launcherFile))));
}

/** Only a folder of our own is removed: the temp folder is open to everybody. */
function removeOwn(folder: string): void {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isDirectory() || found.uid !== userId()) throw new Error('it is there and belongs to somebody else');
  removeRunFolder(folder);
}

function runFolderFacts(): RunFolderFacts {
  const runtimeFolder = process.env['XDG_RUNTIME_DIR'];
  const usable = runtimeFolder !== undefined && lstatSync(runtimeFolder, { throwIfNoEntry: false })?.uid === userId();
  return { runtimeFolder: usable ? runtimeFolder : undefined, tempFolder: tmpdir(), userId: userId() };
}

function userId(): number {
  return process.getuid?.() ?? 0;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readOwn(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
