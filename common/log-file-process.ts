// Opens a file to append log lines to. In: its path. Out: its number.
import { openSync } from 'node:fs';

/** @throws Error of the system, e.g. ENOENT, EACCES */
export function openLogFile(path: string): number {
  return openSync(path, 'a');
}
