// Istio's own ztunnel, unpacked from the users' folder of real programs for one test run.
// Out: the path of the program, or the reason why it cannot be had here.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const shared = process.env['AMBIENTD_SHARED'] ?? join(import.meta.dirname, '../../../shared');
const peers = join(shared, 'peers');

/** The reason to skip, in words. */
export function whatIsMissing(): string | undefined {
  if (!existsSync(join(peers, 'ztunnel.xz')))
    return `Istio's ztunnel is not at ${peers} (AMBIENTD_SHARED names another)`;
  if (process.arch !== 'x64') return `Istio's ztunnel at ${peers} is built for x64, this is ${process.arch}`;
  for (const program of ['xz', 'sha256sum', 'setpriv']) {
    if (spawnSync(program, ['--version']).error !== undefined) return `the program ${program} is missing`;
  }
  return undefined;
}

export interface UnpackedZtunnel {
  /** For whatever belongs to the run; it goes away with this process. */
  readonly folder: string;
  readonly program: string;
}

export function unpackZtunnel(): UnpackedZtunnel {
  const folder = mkdtempSync(join(tmpdir(), 'ambientd-interop-'));
  // Not a teardown of the test: a test that runs out of time has none.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const unpacked = spawnSync('sh', [join(peers, 'unpack.sh'), folder, 'ztunnel'], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (unpacked.status !== 0) {
    throw new Error(`ztunnel could not be unpacked: ${unpacked.error?.message ?? unpacked.stderr}`);
  }
  return { folder, program: join(folder, 'ztunnel') };
}
