// The order in which certificates are fetched: who waits for one goes first, wherever the fetch stood in the queue.
import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { createFetchQueue, type Urgency } from '../../../common/identity/fetch-queue.ts';

function setUp(maxConcurrent: number) {
  const queue = createFetchQueue(maxConcurrent);
  const started: string[] = [];
  const finish = new Map<string, () => void>();
  const run = (urgency: Urgency, name: string) =>
    queue.run(urgency, async () => {
      started.push(name);
      await new Promise<void>((resolve) => finish.set(name, resolve));
      return name;
    });
  const end = async (name: string) => {
    await setImmediate();
    finish.get(name)?.();
    await setImmediate();
  };
  return { queue, started, run, end };
}

t.test('what a connection waits for goes before pods that have just come, and these before renewals', async (t) => {
  const { queue, started, run, end } = setUp(1);
  const first = run('background', 'running');
  for (const urgency of ['background', 'ahead', 'waited-for'] as const) run(urgency, urgency);
  t.equal(queue.waiting('ahead'), 1);
  for (const name of ['running', 'waited-for', 'ahead', 'background']) await end(name);
  t.same(started, ['running', 'waited-for', 'ahead', 'background']);
  t.equal(await first.done, 'running');
});

t.test('a fetch that somebody begins to wait for goes before the others', async (t) => {
  const { started, run, end } = setUp(1);
  run('ahead', 'running');
  run('ahead', 'earlier');
  const later = run('background', 'later');
  later.hurry('waited-for');
  later.hurry('ahead');
  for (const name of ['running', 'later', 'earlier']) await end(name);
  t.same(started, ['running', 'later', 'earlier']);
});

t.test('one that runs is not run again, and one that fails makes room', async (t) => {
  const { queue, started, run, end } = setUp(1);
  const failing = queue.run('ahead', async () => {
    throw new Error('no');
  });
  failing.hurry('waited-for');
  const next = run('background', 'next');
  await t.rejects(failing.done, { message: 'no' });
  await end('next');
  t.equal(await next.done, 'next');
  t.same(started, ['next']);
});
