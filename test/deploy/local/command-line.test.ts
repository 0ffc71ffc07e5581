// What the words after `ambientd` mean.
import t from 'tap';
import { parseCommandLine } from '../../../deploy/local/command-line.ts';

const mesh = { name: 'mesh', port: undefined, run: [], capture: 'if-possible' };

t.test('up takes several paths, options before and after them', async (t) => {
  t.same(parseCommandLine(['up', 'a.yaml', '--port', '80', '--run=nginx=nginx -g x', 'dir', '--name', 'two']), {
    kind: 'up',
    paths: ['a.yaml', 'dir'],
    mesh: { name: 'two', port: 80, run: ['nginx=nginx -g x'], capture: 'if-possible' },
  });
  t.same(parseCommandLine(['up', 'dir', '--no-capture']), {
    kind: 'up',
    paths: ['dir'],
    mesh: { ...mesh, capture: 'never' },
  });
});

t.test('exec keeps everything after -- for the command', async (t) => {
  t.same(parseCommandLine(['exec', 'shop/web', '--', 'curl', '--name', 'x', '--', '-h']), {
    kind: 'exec',
    mesh: undefined,
    pod: { namespace: 'shop', name: 'web' },
    argv: ['curl', '--name', 'x', '--', '-h'],
  });
});

t.test('the other commands', async (t) => {
  t.same(parseCommandLine(['status', '--json', '--name', 'a']), { kind: 'status', mesh: 'a', format: 'json' });
  t.same(parseCommandLine(['down']), { kind: 'down', mesh: undefined });
  t.same(parseCommandLine(['demo', '--once']), { kind: 'demo', mesh: { ...mesh, name: 'demo' }, length: 'once' });
  t.same(parseCommandLine(['derive', 'a.yaml', 'dir', '--json']), {
    kind: 'derive',
    paths: ['a.yaml', 'dir'],
    format: 'json',
  });
  t.same(parseCommandLine(['ztunnel', 'x']), { kind: 'daemon', daemon: 'ztunnel', argv: ['x'] });
  t.same(parseCommandLine(['controller']), { kind: 'daemon', daemon: 'controller', argv: [] });
  t.same(parseCommandLine(['proxy', 'ztunnel']), { kind: 'daemon', daemon: 'ztunnel', argv: [] });
  t.same(parseCommandLine(['version', '--json']), { kind: 'version', format: 'json' });
});

t.test('help is found at every command', async (t) => {
  t.same(parseCommandLine([]), { kind: 'help', topic: undefined });
  t.same(parseCommandLine(['--help']), { kind: 'help', topic: undefined });
  for (const name of [
    'up',
    'demo',
    'exec',
    'status',
    'down',
    'derive',
    'ztunnel',
    'waypoint',
    'controller',
    'version',
  ]) {
    t.same(parseCommandLine([name, '--help']), { kind: 'help', topic: name });
  }
});

t.test('bad usage is one line that names the word', async (t) => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['launch'], /unknown command "launch"/],
    [['up'], /no manifests given/],
    [['derive', '--json'], /nothing to derive from/],
    [['up', '--fast', 'x'], /unknown option "--fast"/],
    [['up', 'x', '--port'], /--port needs a value/],
    [['up', 'x', '--port', 'http'], /--port "http" is no port/],
    [['up', 'x', '--port', '65536'], /--port "65536" is no port/],
    [['up', 'x', '--name', 'A/B'], /--name "A\/B"/],
    [['up', 'x', '--run', 'nginx'], /--run "nginx": say image=command/],
    [['exec', 'web', '--', 'ls'], /"web" is no pod/],
    [['exec', 'shop/web'], /no command for shop\/web/],
    [['status', 'now'], /unexpected "now"/],
    [['down', '--', 'x'], /unexpected "x"/],
  ];
  for (const [words, message] of cases) {
    const command = parseCommandLine(words);
    t.equal(command.kind, 'problem', words.join(' '));
    t.match(command, { message });
  }
});
