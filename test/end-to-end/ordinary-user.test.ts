// What `npm start -- --once` runs, as a user who may do nothing special: with a home and a folder for temporary files of its own, and
// with nothing left at the end. Where the tests run as root, root drops all it has first; in a checkout that only root may read, the
// same checkout is shown to that user at another place.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { asByHand } from '../support/ambientd-process.ts';
import { freePort, meshName, whyNoCapture } from '../support/local-mesh.ts';

t.setTimeout(120_000);

const root = fileURLToPath(new URL('../../', import.meta.url));
const isRoot = process.getuid?.() === 0;
const userId = isRoot ? 65534 : (process.getuid?.() ?? 0);
const asUser = ['setpriv', `--reuid=${userId}`, `--regid=${userId}`, '--clear-groups', '--no-new-privs'];

/** Words that stand before the command, and where that user finds the checkout. */
function wayIn(folder: string): { readonly words: readonly string[]; readonly checkout: string } {
  if (!isRoot) return { words: [], checkout: root };
  const [file = '', ...args] = [...asUser, 'test', '-r', join(root, 'node_modules', '.package-lock.json')];
  if (spawnSync(file, args).status === 0) return { words: asUser, checkout: root };
  const checkout = join(folder, 'checkout');
  mkdirSync(checkout);
  const bind = ['unshare', '-m', 'sh', '-c', 'mount --bind "$1" "$2" && shift 2 && exec "$@"', 'sh', root, checkout];
  return { words: [...bind, ...asUser], checkout };
}

function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'own-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  for (const name of ['home', 'tmp']) {
    mkdirSync(join(folder, name));
    if (isRoot) chownSync(join(folder, name), userId, userId);
  }
  return folder;
}

function runDemo(folder: string, args: readonly string[]): ChildProcess {
  const { words, checkout } = wayIn(folder);
  const demo = [process.execPath, join(checkout, 'deploy/local/ambientd.mjs'), 'demo', '--once', ...args];
  const [file = '', ...rest] = [...asByHand, ...words, ...demo];
  return spawn(file, rest, {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: join(folder, 'home'), TMPDIR: join(folder, 'tmp') },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 100_000,
  });
}

/** Processes of that user which were started with this folder for temporary files. */
function processesOf(folder: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`TMPDIR=${folder}/`);
      } catch {
        return false;
      }
    });
}

async function showDemo(t: Test, args: readonly string[], mode: RegExp): Promise<void> {
  const folder = folderOf(t);
  const demo = runDemo(folder, ['--name', meshName('user'), '--port', `${await freePort()}`, ...args]);
  const ended = new Promise((resolve) => demo.on('close', resolve));
  const said = demo.stdout === null ? '' : text(demo.stdout);
  const complained = demo.stderr === null ? '' : text(demo.stderr);
  const [output, errors, code] = await Promise.all([said, complained, ended]);
  t.equal(code, 0, `${output}\n${errors}`);
  t.match(output, mode);
  t.match(
    output,
    /podinfo\/podinfo-\S+ +\d+\.\d+\.\d+\.\d+ +enrolled +\S+ +spiffe:\/\/cluster\.local\/ns\/podinfo\/sa\/podinfo/,
  );
  t.match(output, /podinfo\/podinfo-waypoint +\S+ +\S+ +http:/);
  for (const route of ['GET /healthz', 'POST /echo', 'unknown']) {
    t.match(output, new RegExp(`^${route} +podinfo-svc \\(podinfo\\) +\\d+ +waypoint +\\d+`, 'm'));
  }
  t.match(output, /^curl +podinfo-svc \(podinfo-waypoint\) +mutual TLS +source +\d+/m);
  t.match(output, /^podinfo-waypoint +podinfo-svc \(podinfo\) +mutual TLS +destination +\d+/m);
  t.same(readdirSync(join(folder, 'tmp')), [], 'no file is left');
  t.same(processesOf(folder), [], 'no process is left');
}

t.test('an ordinary user sees the demo check itself', { skip: await whyNoCapture() }, (t) =>
  showDemo(t, [], /traffic captured in each pod's own network namespace/),
);

t.test('and without capture too', (t) => showDemo(t, ['--no-capture'], /explicit: --no-capture was given/));
