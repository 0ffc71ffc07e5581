// The life of tracked connections: aborts reach whatever phase they are in, drains wait for the last.
import t from 'tap';
import { MeshError } from '../../../common/errors.ts';
import { unlessAborted } from '../../../ztunnel/connections/carry-bytes.ts';
import { createConnectionTracker } from '../../../ztunnel/connections/connection-tracker.ts';

const reason = new MeshError('DRAINED', 'enough');

t.test('an abort is told to the phase it meets, and to those that come after', async (t) => {
  const connection = createConnectionTracker().begin();
  const told: string[] = [];
  connection.onAbort(() => told.push('first'));
  connection.onAbort(() => told.push('second'));
  connection.abort(reason);
  connection.abort(new MeshError('INTERNAL', 'too late'));
  connection.onAbort((why) => told.push(why.code));
  t.same(told, ['second', 'DRAINED']);
});

t.test('waiting ends with the abort, and what comes too late is disposed of', async (t) => {
  const connection = createConnectionTracker().begin();
  const work = Promise.withResolvers<string>();
  const disposed: string[] = [];
  const waiting = unlessAborted(connection, work.promise, (late) => disposed.push(late));
  connection.abort(reason);
  await t.rejects(waiting, { code: 'DRAINED' });
  work.resolve('a stream');
  await work.promise;
  t.same(disposed, ['a stream']);
});

t.test('what is not aborted passes through', async (t) => {
  const connection = createConnectionTracker().begin();
  t.equal(await unlessAborted(connection, Promise.resolve(1)), 1);
  await t.rejects(unlessAborted(connection, Promise.reject(new Error('no'))), /no/);
});

t.test('emptiness is waited for until the deadline', async (t) => {
  const tracker = createConnectionTracker();
  t.equal(await tracker.whenEmpty(0), true);
  const [one, two] = [tracker.begin(), tracker.begin()];
  t.equal(tracker.size, 2);
  t.equal(await tracker.whenEmpty(1), false);
  const empty = tracker.whenEmpty(60_000);
  one.end();
  two.end();
  t.equal(await empty, true);
  t.same([...tracker.live()], []);
});

t.test('an abort of all reaches each', async (t) => {
  const tracker = createConnectionTracker();
  const connections = [tracker.begin(), tracker.begin()];
  tracker.abortAll(reason);
  t.ok(connections.every(({ abortReason }) => abortReason === reason));
});
