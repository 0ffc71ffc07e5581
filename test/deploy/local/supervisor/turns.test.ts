import t from 'tap';
import { createTurns } from '../../../../deploy/local/supervisor/turns.ts';

t.test('so many at a time, the others in order', async (t) => {
  const turns = createTurns(2);
  const begun: number[] = [];
  let running = 0;
  let most = 0;
  const work = (number: number) =>
    turns(async () => {
      begun.push(number);
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return number;
    });
  t.same(await Promise.all([1, 2, 3, 4, 5].map(work)), [1, 2, 3, 4, 5]);
  t.same(begun, [1, 2, 3, 4, 5]);
  t.equal(most, 2);
});

t.test('one that fails says so and holds nobody up', async (t) => {
  const turns = createTurns(1);
  const failing = turns(() => Promise.reject(new Error('no namespace')));
  const next = turns(async () => 'done');
  await t.rejects(failing, { message: 'no namespace' });
  t.equal(await next, 'done');
});
