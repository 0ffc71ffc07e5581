import { closeSync, openSync, readlinkSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import t from 'tap';
import {
  createAnonymousNamespace,
  identifyNamespace,
  openNamespace,
} from '../../../common/net/network-namespace-socket.ts';
import { inUserNamespace } from '../../support/in-user-namespace.ts';

const here = () => readlinkSync('/proc/thread-self/ns/net');

if (await inUserNamespace(t, import.meta.filename)) {
  t.test('an action runs inside the namespace, and the thread is home afterwards', async (t) => {
    const home = here();
    const pod = await createAnonymousNamespace();
    t.teardown(() => pod.close());
    const inside = pod.run(here);
    t.not(inside, home);
    t.equal(here(), home);
    t.equal(`net:[${pod.identity.split(':')[1]}]`, inside, 'the identity is that of the namespace');
    t.same(pod.run(networkInterfaces), {}, 'a new namespace has no address');
  });

  t.test('a throwing action leaves the thread at home', async (t) => {
    const home = here();
    const pod = await createAnonymousNamespace();
    t.teardown(() => pod.close());
    t.throws(
      () =>
        pod.run(() => {
          throw new Error('inner');
        }),
      { message: 'inner' },
    );
    t.equal(here(), home);
  });

  t.test('a promise and a namespace inside another one are refused', async (t) => {
    const home = here();
    const pod = await createAnonymousNamespace();
    const other = await createAnonymousNamespace();
    t.teardown(() => void [pod.close(), other.close()]);
    t.throws(() => pod.run(() => Promise.resolve()), { code: 'INTERNAL' });
    t.throws(() => pod.run(() => other.run(here)), { code: 'INTERNAL' });
    t.equal(here(), home);
    t.not(pod.identity, other.identity);
  });

  t.test('threads that node starts later are at home', async (t) => {
    const pod = await createAnonymousNamespace();
    t.teardown(() => pod.close());
    const jobs = pod.run(() => [1, 2, 3, 4].map(() => import('node:fs/promises')));
    const results = await Promise.all(jobs.map(async (fs) => (await fs).readlink('/proc/thread-self/ns/net')));
    t.same([...new Set(results)], [here()]);
  });

  t.test('opening', async (t) => {
    const pod = await createAnonymousNamespace();
    const again = await openNamespace(pod.descriptor);
    const byPath = await openNamespace(`/proc/self/fd/${pod.descriptor}`);
    t.teardown(() => void [pod.close(), again.close(), byPath.close()]);
    t.not(again.descriptor, pod.descriptor, 'duplicates a descriptor');
    t.equal(again.identity, pod.identity, 'gives the same identity');
    t.equal(byPath.identity, pod.identity);
    t.equal(identifyNamespace(pod.descriptor), pod.identity);

    await t.rejects(openNamespace('/nowhere'), { code: 'IO_FAILED', message: /\/nowhere cannot be opened \(ENOENT\)/ });
    const file = openSync('/', 'r');
    t.teardown(() => closeSync(file));
    await t.rejects(openNamespace(file), { code: 'RESOURCE_INVALID' }, 'of something else is refused');
  });

  t.test('a closed namespace is refused', async (t) => {
    const pod = await createAnonymousNamespace();
    pod.close();
    pod.close();
    t.throws(() => pod.run(here), { code: 'IO_FAILED', message: /closed/ });
  });
}
