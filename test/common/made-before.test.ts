import t from 'tap';
import { MadeBefore } from '../../common/made-before.ts';

t.test('a value is made once, and the same one is given for its key from then on', async (t) => {
  let count = 0;
  const made = new MadeBefore(2, (key: string) => ({ key, number: ++count }));
  const first = made.get('a');
  t.same(first, { key: 'a', number: 1 });
  t.equal(made.get('a'), first);
  t.same(made.get('b'), { key: 'b', number: 2 });
});

t.test('what finds no room begins anew', async (t) => {
  let count = 0;
  const made = new MadeBefore(2, () => ++count);
  t.same([made.get('a'), made.get('b'), made.get('c'), made.get('c')], [1, 2, 3, 3]);
  t.equal(made.get('a'), 4);
});
