import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { Deadlines, deadlinesAfter } from '../../common/deadlines.ts';

t.test('what is not called off in time is told once, in the order in which it was set', async (t) => {
  const deadlines = new Deadlines(40);
  const told: string[] = [];
  deadlines.set(() => told.push('first'));
  await setTimeout(15);
  deadlines.set(() => told.push('second'));
  t.strictSame(told, [], 'not before');
  await setTimeout(150);
  t.strictSame(told, ['first', 'second']);
  t.equal(deadlines.size, 0);
});

t.test('what is called off is never told, and those after it still are', async (t) => {
  const deadlines = new Deadlines(20);
  const told: string[] = [];
  const met = (): void => void told.push('met');
  deadlines.set(met);
  deadlines.set(() => told.push('late'));
  deadlines.callOff(met);
  deadlines.callOff(met);
  await setTimeout(120);
  t.strictSame(told, ['late']);
});

t.test('one that is set while others are told, or after a rest, is told too', async (t) => {
  const deadlines = new Deadlines(10);
  const told: string[] = [];
  deadlines.set(() => {
    told.push('first');
    deadlines.set(() => told.push('set by the first'));
  });
  await setTimeout(100);
  deadlines.set(() => told.push('after a rest'));
  await setTimeout(100);
  t.strictSame(told, ['first', 'set by the first', 'after a rest']);
});

t.test('those of one time share their timer', (t) => {
  t.equal(deadlinesAfter(123), deadlinesAfter(123));
  t.not(deadlinesAfter(123), deadlinesAfter(124));
  t.end();
});
