// The program as users run it. In: an empty folder. Out: the same folder with the JavaScript of this checkout and its packages.
import { spawnSync } from 'node:child_process';
import { cpSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

/** As users run it: compiled, so that no compiler is in its memory. */
export function buildProgram(into: string): string {
  const checkout = join(import.meta.dirname, '../..');
  const compiler = join(checkout, 'node_modules/.bin/tsc');
  const built = spawnSync(compiler, ['-p', 'tsconfig.build.json', '--outDir', into], {
    cwd: checkout,
    encoding: 'utf8',
  });
  if (built.status !== 0) throw new Error(`the program cannot be built: ${built.error?.message ?? built.stdout}`);
  rmSync(join(into, 'node_modules'), { force: true });
  cpSync(join(checkout, 'package.json'), join(into, 'package.json'));
  symlinkSync(join(checkout, 'node_modules'), join(into, 'node_modules'));
  return into;
}
