// Istio's own programs, where the folder with them lies beside the checkout: unpacked for a test, removed after it.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

const shared = process.env['AMBIENTD_SHARED'] ?? join(import.meta.dirname, '../../../shared');
const unpack = join(shared, 'peers/unpack.sh');

/** The reason to skip, in words. */
export function whyNoPeers(): string | undefined {
  if (!existsSync(unpack)) return `Istio's programs are not there (${unpack}; AMBIENTD_SHARED names another folder)`;
  if (process.platform !== 'linux' || process.arch !== 'x64') return `Istio's programs here are for linux-x64`;
  if (spawnSync('xz', ['--version']).error !== undefined)
    return 'the program xz is missing; on Debian: apt install xz-utils';
  return undefined;
}

/** @returns the folder with the programs */
export function unpackPeers(t: Pick<Test, 'teardown'>, ...names: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'peers-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const { status, stderr } = spawnSync(unpack, [folder, ...names], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${unpack} failed: ${stderr}`);
  return folder;
}
