// The command as whoever starts it sees it: exit codes, and what it says about them.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { startProgram } from '../../interop/kept-program-process.ts';

const program = join(import.meta.dirname, '../../../deploy/controller/main.ts');
const run = (words: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  spawnSync(process.execPath, [program, ...words], { env: { PATH: process.env['PATH'], ...env }, encoding: 'utf8' });

t.test('bad usage and bad configuration end with 64 and the reason', async (t) => {
  t.match(run(['now']), { status: 64, stderr: /unknown argument "now"/ });
  t.match(run([], { RUST_LOG: 'loud' }), { status: 64, stderr: /RUST_LOG=loud[\s\S]*API server is not known/ });
  t.match(run([], { KUBECONFIG: '/no/such/file' }), {
    status: 64,
    stdout: /cannot read the kubeconfig \/no\/such\/file/,
  });
  t.match(run(['--help']), { status: 0, stdout: /Usage: ambientd controller/ });
});

const noSetpriv = spawnSync('setpriv', ['--version']).error === undefined ? false : 'the program setpriv is missing';
t.test('it waits for an API server that is not there, and ends in order meanwhile', { skip: noSetpriv }, async (t) => {
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const address = gone.address();
  gone.close();
  const port = typeof address === 'object' ? address?.port : undefined;
  const folder = t.testdir({
    kubeconfig: JSON.stringify({
      clusters: [{ name: 'a', cluster: { server: `https://127.0.0.1:${port}` } }],
      users: [{ name: 'u', user: { token: 'hush' } }],
      contexts: [{ name: 'c', context: { cluster: 'a', user: 'u' } }],
      'current-context': 'c',
    }),
  });
  const env = { KUBECONFIG: join(folder, 'kubeconfig'), AMBIENTD_STATS_PORT: '0', AMBIENTD_READINESS_PORT: '0' };
  const controller = startProgram(t, [process.execPath, program], env, folder);
  await controller.says(/synchronization failed.*cannot read secret istio-system\/ambientd-ca.*ECONNREFUSED/);
  const [, readiness] = /readiness server.*port=(\d+)/.exec(controller.log()) ?? [];
  const answer = await fetch(`http://127.0.0.1:${readiness}/healthz/ready`);
  t.match(await answer.text(), /pending: certificate authority/);
  t.equal(await controller.stop(), 0);
  t.notMatch(controller.log(), /hush/);
});
