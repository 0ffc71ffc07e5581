// Runs `npm ci` when, and only when, what lies in node_modules is not what package-lock.json names. Silent when nothing
// is to be done. Plain JavaScript for any Node from 18 on: it runs before the pinned Node is there.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** npm writes what it installed to node_modules/.package-lock.json; optional packages of other platforms are absent there. */
export function missingPackages(wanted, installed) {
  return Object.entries(wanted.packages ?? {})
    .filter(([path, entry]) => {
      if (path === '' || entry.link) return false;
      const present = installed.packages?.[path];
      if (present === undefined) return entry.optional !== true;
      return present.version !== entry.version || present.integrity !== entry.integrity;
    })
    .map(([path]) => path);
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** @returns exit code */
export function install(root) {
  const wanted = readJson(join(root, 'package-lock.json'));
  if (wanted === undefined) {
    process.stderr.write(
      `ambientd: ${join(root, 'package-lock.json')} is missing or no JSON; use a complete checkout\n`,
    );
    return 1;
  }
  const installed = readJson(join(root, 'node_modules', '.package-lock.json')) ?? {};
  const hasNode = existsSync(join(root, 'node_modules', 'node', 'bin', 'node'));
  if (hasNode && missingPackages(wanted, installed).length === 0) return 0;
  process.stderr.write('ambientd: installing what package-lock.json names (npm ci) …\n');
  const npm = process.env.npm_execpath;
  const [command, first] = npm === undefined ? ['npm', []] : [process.execPath, [npm]];
  const flags = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const run = spawnSync(command, [...first, ...flags], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  if (run.status === 0) return 0;
  const why = run.error === undefined ? `ended with ${run.status ?? run.signal}` : run.error.message;
  process.stderr.write(`ambientd: npm ci ${why}; run it by hand in ${root} to see more\n`);
  return 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = install(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
}
