// When `npm ci` is needed.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const file = fileURLToPath(new URL('../../../deploy/local/install.mjs', import.meta.url));
const { missingPackages }: { missingPackages(wanted: object, installed: object): string[] } = await import(file);

const entry = { version: '1.0.0', integrity: 'sha512-x' };
const wanted = { packages: { '': {}, 'node_modules/a': entry, 'node_modules/b': { ...entry, optional: true } } };

t.test('not when every package is there as the lock file says; optional ones may be absent', async (t) => {
  t.same(missingPackages(wanted, { packages: { 'node_modules/a': entry } }), []);
});

t.test('when one is missing, of another version, or of another content', async (t) => {
  t.same(missingPackages(wanted, {}), ['node_modules/a']);
  t.same(missingPackages(wanted, { packages: { 'node_modules/a': { ...entry, version: '1.0.1' } } }), [
    'node_modules/a',
  ]);
  const other = { 'node_modules/a': entry, 'node_modules/b': { ...entry, integrity: 'sha512-y' } };
  t.same(missingPackages(wanted, { packages: other }), ['node_modules/b']);
});

t.test('not in the checkout that runs this', async (t) => {
  const root = new URL('../../../', import.meta.url);
  const read = (path: string): object => JSON.parse(readFileSync(new URL(path, root), 'utf8'));
  t.same(missingPackages(read('package-lock.json'), read('node_modules/.package-lock.json')), []);
});
