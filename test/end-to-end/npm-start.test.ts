// The first thing that anybody tries: `npm start`, by the npm of the machine, on a terminal and without one.
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { asByHand, openAmbientdFolder } from '../support/ambientd-process.ts';
import { eventually, freePort, meshName, whyNoCapture } from '../support/local-mesh.ts';

t.setTimeout(120_000);

const root = fileURLToPath(new URL('../../', import.meta.url));
const noNpm =
  spawnSync('npm', ['--version']).error === undefined
    ? false
    : 'the program npm is missing; on Debian: apt install npm';
const skip = noNpm || (await whyNoCapture());

function npmStart(t: Test, file: string, args: readonly string[]) {
  const around = openAmbientdFolder();
  t.teardown(around.remove);
  const [program = '', ...rest] = [...asByHand, file, ...args];
  const child = spawn(program, rest, {
    cwd: root,
    env: { ...process.env, TMPDIR: around.path, XDG_RUNTIME_DIR: '', NO_COLOR: '', TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: 100_000,
    killSignal: 'SIGKILL',
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stdin.on('error', () => {});
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { around, child, ended, output: () => output };
}

const options = async (name: string) => ['--name', meshName(name), '--port', `${await freePort()}`];

t.test('npm start -- --once checks itself, says so in plain lines, and ends with 0', { skip }, async (t) => {
  const { around, ended, output } = npmStart(t, 'npm', [
    'start',
    '--silent',
    '--',
    '--once',
    ...(await options('once')),
  ]);
  t.equal(await ended, 0, output());
  t.match(output(), /^GET \/healthz +podinfo-svc \(podinfo\) +200 +waypoint +\d+/m);
  t.match(output(), /all as promised/);
  t.notMatch(output(), '\x1b', 'without a terminal there are no control characters');
  t.ok(await around.isClean());
});

t.test('npm start on a terminal refreshes its table in place until Ctrl-C', { skip }, async (t) => {
  const words = ['npm', 'start', '--silent', '--', ...(await options('tty'))].join(' ');
  const { around, child, ended, output } = npmStart(t, 'script', ['-qefc', words, '/dev/null']);
  /** The cursor goes up by the height of the table, and all below is cleared. */
  const timesRedrawn = (text: string) => text.split('A\r\x1b[J').length - 1;
  const shown = await eventually(output, (text) => timesRedrawn(text) > 2 && text.includes('POST /echo'));
  t.match(shown, /podinfo\/curl-\S+ +\S+ +enrolled +\S+ +spiffe:/);
  t.match(shown, /http:\/\/127\.0\.0\.1:\d+\/metrics\/ztunnel/);
  t.ok(timesRedrawn(shown) > 2, 'the table is drawn over itself');
  t.match(shown, '\x1b[1mistio_requests_total\x1b[0m', 'with its headings in bold');
  child.stdin.write('\x03');
  await ended;
  t.ok(await around.isClean());
});

t.test('npm that is killed takes everything with it', { skip }, async (t) => {
  const { around, child, ended, output } = npmStart(t, 'npm', [
    'start',
    '--silent',
    '--',
    ...(await options('killed')),
  ]);
  t.match(await eventually(output, (text) => text.includes('http_sd_configs')), /http_sd_configs/);
  t.not(around.processes().length, 0);
  child.kill('SIGKILL');
  t.ok(await around.isClean());
  await ended;
});
