// Where a mesh keeps its files, and what it says about itself there.
import t from 'tap';
import { parseMeshRecord, runFolderParents, runFolderPath, startTimeOf } from '../../../deploy/local/run-folder.ts';

t.test("the runtime folder is ours alone; names in the temp folder carry the user's number", async (t) => {
  t.equal(
    runFolderPath({ runtimeFolder: '/run/user/7', tempFolder: '/tmp', userId: 7 }, 'm'),
    '/run/user/7/ambientd-m',
  );
  t.equal(runFolderPath({ runtimeFolder: undefined, tempFolder: '/var/tmp', userId: 7 }, 'm'), '/var/tmp/ambientd-m-7');
});

t.test("a folder whose sockets' paths would be too long is passed over", async (t) => {
  const facts = { runtimeFolder: undefined, tempFolder: `/${'x'.repeat(100)}`, userId: 7 };
  t.equal(runFolderPath(facts, 'm'), '/tmp/ambientd-m-7');
});

t.test("nobody else's meshes are looked at by whoever has a temp folder of their own", async (t) => {
  const facts = { runtimeFolder: undefined, tempFolder: '/tmp/own', userId: 7 };
  t.same(runFolderParents(facts), [{ folder: '/tmp/own', suffix: '-7' }]);
  const deep = `/${'d'.repeat(60)}`;
  t.same(
    runFolderParents({ ...facts, tempFolder: deep }).map(({ folder }) => folder),
    [deep, '/tmp'],
    'where long names are put elsewhere, they are found there',
  );
});

t.test('a record that is cut off or of another kind is no record', async (t) => {
  const mark = { pid: 5, startedAt: '77' };
  const record = { mesh: 'm', launcher: mark, first: mark, isolation: 'namespaces', gateUrl: 'http://127.0.0.1:1/' };
  t.same(parseMeshRecord(JSON.stringify(record)), record);
  t.equal(parseMeshRecord(JSON.stringify(record).slice(0, -2)), undefined);
  t.equal(parseMeshRecord(JSON.stringify({ ...record, isolation: 'jail' })), undefined);
  t.equal(parseMeshRecord(''), undefined);
});

t.test("a process's start time is read behind a name with blanks and brackets", async (t) => {
  const after = Array.from({ length: 30 }, (_, index) => `${index + 3}`).join(' ');
  t.equal(startTimeOf(`12 (a) (b c) ${after}`), '22');
});
