// Runs a server that the machine has to bring (a database) with data that nobody keeps: found by an environment variable or on PATH, its data in a
// temporary folder that is removed when it ends. In: its names, its command line. Out: its end; without it, words that say what to install.
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';

export interface ScratchProgram {
  /** Path of the program as the user gave it; undefined: looked for on PATH. */
  readonly given: string | undefined;
  readonly path: string;
  /** Names on PATH, the wanted one first. */
  readonly names: readonly string[];
  /** What to install, and the variable that names it otherwise. */
  readonly remedy: string;
  /** Arguments for a program of that name with that folder for its data. */
  commandFor(name: string, folder: string): readonly string[];
}

/** @throws Error that says what is missing */
export function findProgram({ given, path, names, remedy }: ScratchProgram): string {
  const candidates = given
    ? [given]
    : names.flatMap((name) => path.split(delimiter).map((folder) => join(folder, name)));
  const found = candidates.find(isProgram);
  if (found !== undefined) return found;
  const looked = given ? `${given} is no program` : `neither ${names.join(' nor ')} is on PATH`;
  throw new Error(`${looked}: ${remedy}`);
}

/**
 * Ends with the program, or with SIGTERM, and takes the data along.
 * @param fill what is to be done with the running program; its failure is the program's end
 * @returns exit code
 */
export async function runScratchProgram(
  file: string,
  { commandFor }: ScratchProgram,
  fill: () => Promise<void>,
): Promise<number> {
  const name = basename(file);
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  const child = spawn(file, commandFor(name, folder), { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = new Promise<number>((settle, fail) => {
    child.once('error', fail);
    child.once('exit', (code) => settle(code ?? 0));
  });
  // Nobody keeps the data, so nothing has to be written out first.
  process.once('SIGTERM', () => child.kill('SIGKILL'));
  try {
    await Promise.race([fill(), ended]);
    return await ended;
  } finally {
    child.kill('SIGKILL');
    await ended.catch(() => {});
    rmSync(folder, { recursive: true, force: true });
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
