import t from 'tap';
import { createLastOut } from '../../common/last-out.ts';

t.test('nobody waits where nothing is left', async (t) => {
  t.equal(await createLastOut(() => true).wait(60_000), true);
});

t.test('everybody who waits is told when the last has gone, and not before', async (t) => {
  let left = 2;
  const lastOut = createLastOut(() => left === 0);
  let told = 0;
  const waiting = [lastOut.wait(60_000), lastOut.wait(60_000)].map((each) => each.then(() => (told += 1)));
  left = 1;
  lastOut.left();
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(told, 0);
  left = 0;
  lastOut.left();
  await Promise.all(waiting);
  t.equal(told, 2);
});

t.test('who waits is told when the time is up', async (t) => {
  t.equal(await createLastOut(() => false).wait(1), false);
});
