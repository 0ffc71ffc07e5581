// Reads manifest files from paths and folders, and again whenever one of them changes: by notification, and by a slow
// look at all modification times, for file systems that do not notify. Replaced files (atomic rename) are found too.
// Paths in; the files in reading order, each changed one with its text, out. Bounded in number, depth and size.
import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Runnable } from '../../lifecycle.ts';
import { maxManifestBytes } from './manifest-parser.ts';
import type { ManifestFile } from './manifest-state.ts';

const settleMs = 100;
const pollMs = 2000;
const maxFiles = 10_000;
const maxDepth = 16;
/** What `ambientd up` runs for which image: it lies beside manifests and is none. */
const otherFiles = ['ambientd.yaml', 'ambientd.yml'];

interface FoundFiles {
  /** Signature (time, size, inode) by file; undefined for a path that could not be looked at. */
  readonly files: Map<string, string | ManifestFile>;
  readonly folders: Set<string>;
  /** Device and inode of the folders that were listed: links may lead back to one. */
  readonly listed: Set<string>;
}

export interface ManifestFilesOptions {
  readonly paths: readonly string[];
  /** Called once before `start` resolves, which fails if it throws; then after each change, where it must not. */
  readonly onFiles: (files: readonly ManifestFile[]) => void;
}

export function createManifestFilesWatcher({ paths, onFiles }: ManifestFilesOptions): Runnable {
  const folderWatches = createFolderWatches(() => scanSoon());
  let known = new Map<string, string>();
  let settling: NodeJS.Timeout | undefined;
  let polling: NodeJS.Timeout | undefined;
  let scanning: Promise<void> = Promise.resolve();
  let isClosed = false;

  async function scan(isFirst: boolean): Promise<void> {
    if (isClosed) return;
    const found = await findFiles(paths);
    const { files, signatures } = await readChanged(found.files, known);
    if (isClosed) return;
    const isChanged = isFirst || files.length !== known.size || files.some(({ kind }) => kind !== 'unchanged');
    known = signatures;
    folderWatches.follow(found.folders);
    if (isChanged) onFiles(files);
  }

  function scanNow(): void {
    scanning = scanning.then(() => scan(false));
  }

  function scanSoon(): void {
    if (isClosed) return;
    clearTimeout(settling);
    settling = setTimeout(scanNow, settleMs);
  }

  function stop(): void {
    isClosed = true;
    clearTimeout(settling);
    clearInterval(polling);
    folderWatches.follow(new Set());
  }

  return {
    async start() {
      await scan(true);
      if (!isClosed) polling = setInterval(scanNow, pollMs);
    },
    async drain() {},
    async close() {
      stop();
      await scanning;
    },
  };
}

interface FolderWatches {
  /** Watches these folders and no others. */
  follow(folders: ReadonlySet<string>): void;
}

function createFolderWatches(onEvent: () => void): FolderWatches {
  const watchers = new Map<string, FSWatcher>();
  return {
    follow(folders) {
      for (const [folder, watcher] of watchers) {
        if (folders.has(folder)) continue;
        watcher.close();
        watchers.delete(folder);
      }
      for (const folder of folders) {
        if (watchers.has(folder)) continue;
        const watcher = tryWatch(folder, onEvent, () => watchers.delete(folder));
        if (watcher !== undefined) watchers.set(folder, watcher);
      }
    },
  };
}

/** Undefined where the system has no watch left or the folder has gone: the slow look still sees changes. */
function tryWatch(folder: string, onEvent: () => void, onEnd: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, onEvent);
    watcher.on('error', () => {
      watcher.close();
      onEnd();
      onEvent();
    });
    return watcher;
  } catch {
    return undefined;
  }
}

async function findFiles(paths: readonly string[]): Promise<FoundFiles> {
  const found: FoundFiles = { files: new Map(), folders: new Set(), listed: new Set() };
  for (const path of paths) {
    await findUnder(path, 0, found);
    found.folders.add(dirname(path));
  }
  return found;
}

async function findUnder(path: string, depth: number, found: FoundFiles): Promise<void> {
  if (found.files.size >= maxFiles) {
    found.files.set(path, failed(path, `is beyond the limit of ${maxFiles} files`, 'name fewer files'));
    return;
  }
  try {
    const status = await stat(path);
    if (!status.isDirectory()) {
      found.files.set(path, `${status.mtimeMs}/${status.size}/${status.ino}`);
      return;
    }
    const identity = `${status.dev}/${status.ino}`;
    if (depth > maxDepth || found.listed.has(identity)) return;
    found.listed.add(identity);
    found.folders.add(path);
    for (const name of (await readdir(path)).sort()) {
      if (isWanted(name)) await findUnder(join(path, name), depth + 1, found);
    }
  } catch (error) {
    // What vanishes between the listing and the look was removed.
    if (depth > 0 && reasonOf(error) === 'does not exist') return;
    found.files.set(path, failed(path, reasonOf(error), 'correct the path, or make it readable'));
  }
}

/** Folders have names without these endings; hidden ones (also those behind a mounted ConfigMap) are left out. */
function isWanted(name: string): boolean {
  if (name.startsWith('.') || otherFiles.includes(name)) return false;
  return /\.(ya?ml|json)$/.test(name) || !name.includes('.');
}

async function readChanged(
  found: FoundFiles['files'],
  known: ReadonlyMap<string, string>,
): Promise<{ files: ManifestFile[]; signatures: Map<string, string> }> {
  const files: ManifestFile[] = [];
  const signatures = new Map<string, string>();
  for (const [file, sign] of found) {
    const signature = typeof sign === 'string' ? sign : sign.kind;
    signatures.set(file, signature);
    if (known.get(file) === signature) files.push({ kind: 'unchanged', file });
    else files.push(typeof sign === 'string' ? await read(file, sign) : sign);
  }
  return { files, signatures };
}

async function read(file: string, signature: string): Promise<ManifestFile> {
  if (Number(signature.split('/')[1]) > maxManifestBytes) {
    return failed(file, `is larger than ${maxManifestBytes} bytes`, 'split it into several files');
  }
  try {
    return { kind: 'read', file, text: await readFile(file, 'utf8') };
  } catch (error) {
    return failed(file, reasonOf(error), 'make it readable');
  }
}

function failed(file: string, message: string, remedy: string): ManifestFile {
  return { kind: 'failed', file, problem: { severity: 'error', file, message, remedy } };
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'does not exist';
  return code === 'EACCES' ? 'may not be read' : `cannot be read (${error instanceof Error ? error.message : error})`;
}
