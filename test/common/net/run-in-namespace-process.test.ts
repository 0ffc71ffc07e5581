import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import t from 'tap';
import { createAnonymousNamespace } from '../../../common/net/network-namespace-socket.ts';
import { runInNamespace, spawnInNamespace } from '../../../common/net/run-in-namespace-process.ts';
import { inUserNamespace } from '../../support/in-user-namespace.ts';

if (await inUserNamespace(t, import.meta.filename)) {
  const pod = await createAnonymousNamespace();
  t.teardown(() => pod.close());
  const inside = pod.run(() => readlinkSync('/proc/thread-self/ns/net'));

  t.test('a program runs inside the namespace and gets its input', async (t) => {
    t.equal(await runInNamespace(pod, ['readlink', '/proc/self/ns/net']), `${inside}\n`);
    t.equal(await runInNamespace(pod, ['cat'], { input: 'text' }), 'text');
  });

  t.test('a failure names the command, its exit code and its complaint', async (t) => {
    await t.rejects(runInNamespace(pod, ['sh', '-c', 'echo no such table >&2; exit 3']), {
      code: 'IO_FAILED',
      message: 'sh -c echo no such table >&2; exit 3 failed with exit code 3: no such table',
    });
    await t.rejects(runInNamespace(pod, ['no-such-program-here']), { message: /is it installed/ });
    await t.rejects(runInNamespace(pod, ['true', '\0']), TypeError, 'an argument that the kernel does not take');
  });

  t.test('a program that hangs is ended', async (t) => {
    await t.rejects(runInNamespace(pod, ['sleep', '60'], { timeoutMs: 50 }), { message: /ended by SIGKILL/ });
  });

  t.test('a long-running child lives in the namespace', async (t) => {
    const child = spawnInNamespace(pod, ['sleep', '60'], { stdio: 'ignore' });
    t.teardown(() => child.kill());
    await once(child, 'spawn');
    t.equal(readlinkSync(`/proc/${child.pid}/ns/net`), inside);
  });
}
