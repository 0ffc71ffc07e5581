import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createCertificateAuthority } from '../../../common/identity/certificate-authority.ts';
import { createCrlFileWatcher } from '../../../common/identity/crl-file-watcher.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import type { RevocationList } from '../../../common/identity/revocation-list.ts';
import { createCrlPem } from '../../support/certificate-chains.ts';
import { collectLog } from '../../support/collected-log.ts';

const authority = await createCertificateAuthority({ trustDomain: 'cluster.local' });
const web = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' });
const { chainPem } = await authority.issue(web);
const one = await createCrlPem({ issuer: authority.rootPem, revoked: [chainPem] });
const none = await createCrlPem({ issuer: authority.rootPem, revoked: [] });

function watch(t: Test, path: string, times: { readonly settleMs?: number; readonly lookMs?: number } = {}) {
  const read: (readonly RevocationList[])[] = [];
  const told = { next: Promise.withResolvers<void>() };
  const onLists = (lists: readonly RevocationList[]): void => {
    read.push(lists);
    told.next.resolve();
    told.next = Promise.withResolvers();
  };
  const { log, lines } = collectLog();
  const watcher = createCrlFileWatcher({ path, onLists, log, settleMs: 20, ...times });
  t.teardown(() => watcher.close());
  return {
    start: () => watcher.start(),
    close: () => watcher.close(),
    lines,
    /** How many certificates each reading has found. */
    sizes: () => read.map((lists) => lists.reduce((sum, { serialNumbers }) => sum + serialNumbers.size, 0)),
    next: () => told.next.promise,
    /** Of the log. */
    async warned(count: number) {
      const warnings = () => lines.filter(({ msg }) => String(msg).includes('cannot be used'));
      while (warnings().length < count) await new Promise((resolve) => setTimeout(resolve, 5));
      return warnings();
    },
  };
}

t.test('a file is read before the start is over, and again when it changes', async (t) => {
  const path = join(t.testdir({ 'crl.pem': one }), 'crl.pem');
  const file = watch(t, path);
  await file.start();
  t.same(file.sizes(), [1]);
  const next = file.next();
  writeFileSync(path, none);
  await next;
  t.same(file.sizes(), [1, 0]);
  t.match(file.lines, [
    { msg: 'revocation lists read', path, lists: 1, certificates: 1 },
    { msg: 'revocation lists read', lists: 1, certificates: 0 },
  ]);
});

t.test('an empty file is no revocation, and no complaint', async (t) => {
  const file = watch(t, join(t.testdir({ 'crl.pem': '' }), 'crl.pem'));
  await file.start();
  t.same(file.sizes(), [0]);
  t.same(await file.warned(0), []);
});

t.test('a file that is missing at the start is told, and read when it comes', async (t) => {
  const path = join(t.testdir({}), 'crl.pem');
  const file = watch(t, path);
  await file.start();
  t.same(file.sizes(), []);
  t.match(await file.warned(1), [
    { msg: /crl\.pem cannot be used: .* no certificate counts as revoked/, error: /ENOENT/ },
  ]);
  const next = file.next();
  writeFileSync(path, one);
  await next;
  t.same(file.sizes(), [1]);
});

t.test('a file that is wrong at the start is told by name, and read when it is right', async (t) => {
  const path = join(t.testdir({ 'crl.pem': 'nonsense' }), 'crl.pem');
  const file = watch(t, path);
  await file.start();
  t.same(file.sizes(), []);
  t.match(await file.warned(1), [{ path, error: /revocation list 1 of 1 cannot be used/ }]);
  const next = file.next();
  writeFileSync(path, one);
  await next;
  t.same(file.sizes(), [1]);
});

t.test('a file that becomes wrong, or goes, leaves the lists before it', async (t) => {
  const path = join(t.testdir({ 'crl.pem': one }), 'crl.pem');
  const file = watch(t, path);
  await file.start();
  writeFileSync(path, `${one.slice(0, -60)}`);
  t.match(await file.warned(1), [{ msg: /the lists before it hold/, error: /no end/ }]);
  rmSync(path);
  t.match((await file.warned(2))[1], { msg: /the lists before it hold/, error: /ENOENT/ });
  t.same(file.sizes(), [1]);
  const next = file.next();
  writeFileSync(path, none);
  await next;
  t.same(file.sizes(), [1, 0]);
});

t.test('a mounted ConfigMap, whose files change by a link, is read again', async (t) => {
  const folder = t.testdir({ '..1': { 'crl.pem': none }, '..2': { 'crl.pem': one } });
  symlinkSync('..1', join(folder, '..data'));
  symlinkSync('..data/crl.pem', join(folder, 'crl.pem'));
  const file = watch(t, join(folder, 'crl.pem'));
  await file.start();
  t.same(file.sizes(), [0]);
  const next = file.next();
  symlinkSync('..2', join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  await next;
  t.same(file.sizes(), [0, 1]);
});

t.test('a folder that comes later is found', async (t) => {
  const folder = join(t.testdir({}), 'later');
  const file = watch(t, join(folder, 'crl.pem'), { lookMs: 20 });
  await file.start();
  const next = file.next();
  mkdirSync(folder);
  writeFileSync(join(folder, 'crl.pem'), one);
  await next;
  t.same(file.sizes(), [1]);
});

t.test('several changes are one reading, and what has not changed is not read again', async (t) => {
  const folder = t.testdir({ 'crl.pem': none });
  const file = watch(t, join(folder, 'crl.pem'), { settleMs: 200 });
  await file.start();
  const next = file.next();
  for (let number = 0; number < 5; number++) writeFileSync(join(folder, `other-${number}`), 'x');
  writeFileSync(join(folder, 'crl.pem'), '');
  writeFileSync(join(folder, 'crl.pem'), one);
  await next;
  writeFileSync(join(folder, 'other-6'), 'x');
  await file.close();
  t.same(file.sizes(), [0, 1]);
});
