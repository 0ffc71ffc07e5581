// Runs a test file inside its own user, network and mount namespaces, where an ordinary user may do what root may.
// The file starts itself once more through `unshare`; its tests are reported as the parent's. Call it before any test:
// `if (await inUserNamespace(t, import.meta.filename)) { t.test(…) }`.
import { spawnSync } from 'node:child_process';
import type t from 'tap';

const marker = 'AMBIENTD_TEST_NAMESPACE';
const namespaces = ['--user', '--map-root-user', '--net', '--mount', '--kill-child'];

/**
 * @param needs programs beside `unshare` that the tests call, such as `nft` and `ip`
 * @returns whether this process is the inner one, which is to run the tests
 */
export async function inUserNamespace(tap: typeof t, file: string, needs: readonly string[] = []): Promise<boolean> {
  if (process.env[marker] !== undefined) return true;
  const lack = whatIsMissing(needs);
  if (lack !== undefined) {
    await tap.test('inside a user namespace', { skip: lack }, async () => {});
    return false;
  }
  const command = [...namespaces, '--', process.execPath, ...process.execArgv, file];
  await tap.spawn('unshare', command, { env: { ...process.env, [marker]: '1' } }, 'inside a user namespace');
  return false;
}

/** The reason to skip, in words. */
export function whatIsMissing(needs: readonly string[]): string | undefined {
  if (process.platform !== 'linux') return `namespaces need Linux, this is ${process.platform}`;
  for (const program of needs) {
    if (spawnSync(program, ['--version']).error !== undefined && spawnSync(program, ['-V']).error !== undefined) {
      return `the program ${program} is missing; on Debian: apt install ${program === 'nft' ? 'nftables' : 'iproute2'}`;
    }
  }
  const trial = spawnSync('unshare', [...namespaces, '--', 'true'], { encoding: 'utf8' });
  if (trial.status === 0) return undefined;
  const said = trial.error?.message ?? trial.stderr.trim();
  return `user namespaces are not available (${said}); sysctl kernel.unprivileged_userns_clone=1 or root may allow them`;
}
