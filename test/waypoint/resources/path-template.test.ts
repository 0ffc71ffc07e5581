// Which paths a template fits, beside a plain reading of it as a regular expression; and that no path makes it slow.
import t from 'tap';
import { compilePathTemplate, isPathTemplate } from '../../../waypoint/resources/path-template.ts';
import { randomFrom } from '../../support/random-from.ts';

const fits = (template: string, path: string): boolean => compilePathTemplate(template)(path);

const cases: readonly (readonly [template: string, path: string, fits: boolean])[] = [
  ['/cart/{*}', '/cart/1', true],
  ['/cart/{*}', '/cart/', false],
  ['/cart/{*}', '/cart/1/2', false],
  ['/cart/{*}/total', '/cart/1/total', true],
  ['/{**}/total', '/cart/1/2/total', true],
  ['/{**}/total', '//total', true],
  ['/{**}', '/', true],
  ['/{**}.js', '/a/b.js', true],
  ['/c.rt/{*}', '/cart/1', false],
  ['/{*}/{**}/{*}', '/a//b', true],
  ['/{*}/{**}/{*}', '/a/b', false],
  ['{*}', '', false],
];
for (const [template, path, expected] of cases) {
  t.test(`${template} ${expected ? 'fits' : 'does not fit'} ${path || 'nothing'}`, async (t) => {
    t.equal(fits(template, path), expected);
    t.ok(isPathTemplate(template));
  });
}

t.test('a path without operators is no template', async (t) => {
  for (const text of ['/cart', '/cart/*', '*', '/{a}', '']) t.notOk(isPathTemplate(text), text);
});

t.test('any template says what the regular expression of its parts says', async (t) => {
  const random = randomFrom(7);
  const pick = (from: readonly string[]): string => from[Math.floor(random() * from.length)] ?? '';
  const some = (from: readonly string[], most: number): string =>
    Array.from({ length: Math.floor(random() * most) }, () => pick(from)).join('');
  for (let round = 0; round < 3_000; round++) {
    const template = `/${some(['a', 'b', '/', '{*}', '{**}'], 7)}`;
    const path = `/${some(['a', 'b', '/'], 9)}`;
    const source = template.replaceAll(/\{\*\*?\}/g, (operator) => (operator === '{*}' ? '[^/]+' : '.*'));
    t.equal(fits(template, path), new RegExp(`^${source}$`).test(path), `${template} ${path}`);
  }
});

t.test('a long path that almost fits in very many ways is told soon', async (t) => {
  const template = `/${'{**}/a/'.repeat(12)}{**}/b`;
  t.notOk(fits(template, `/${'a/'.repeat(16_384)}`));
  t.ok(fits(template, `/${'a/'.repeat(16_384)}b`));
});
