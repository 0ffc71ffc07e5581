// What runs where there are no images.
import t from 'tap';
import { commandFor, parseImageCommands } from '../../../../deploy/local/supervisor/image-commands.ts';

const file = (text: string) => [{ file: 'x/ambientd.yaml', folder: 'x', text }];

t.test('an image is found by its full name, without tag, and by its last part', async (t) => {
  const commands = parseImageCommands(
    file('run: { "ghcr.io/a/web": ["web"], "db:1": [db, one], db: [db], cache: "redis-server --port 1" }'),
    ['tool=run me=1'],
    '/here',
  );
  t.same(commands.problems, []);
  t.same(commandFor('ghcr.io/a/web:2', commands), { argv: ['web'], folder: 'x' });
  t.same(commandFor('ghcr.io/a/web@sha256:0123abcd', commands)?.argv, ['web']);
  t.same(commandFor('localhost:5000/b/db:1', commands)?.argv, ['db', 'one']);
  t.same(commandFor('db:2', commands)?.argv, ['db']);
  t.same(commandFor('cache', commands)?.argv, ['sh', '-c', 'redis-server --port 1']);
  t.same(commandFor('tool', commands), { argv: ['sh', '-c', 'run me=1'], folder: '/here' });
  t.equal(commandFor('other', commands), undefined);
});

t.test('an option wins over the file', async (t) => {
  t.same(commandFor('a', parseImageCommands(file('run: { a: [one] }'), ['a=two'], '.'))?.argv, ['sh', '-c', 'two']);
});

t.test('a bad file is told by name, and the rest of it is used', async (t) => {
  t.match(parseImageCommands(file('run: ['), [], '.').problems, [{ file: 'x/ambientd.yaml', message: /is no YAML/ }]);
  const commands = parseImageCommands(file('runs: 1\nrun: { a: 7, b: [b] }\nenv: { N: 5 }'), [], '.');
  t.match(commands.problems, [{ message: /"runs"/ }, { message: /"a" has no command/ }]);
  t.same(commandFor('b', commands)?.argv, ['b']);
  t.same(commands.env, { N: '5' });
});
