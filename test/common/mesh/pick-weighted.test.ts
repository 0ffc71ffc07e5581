import t from 'tap';
import { pickWeighted } from '../../../common/mesh/pick-weighted.ts';
import { randomFrom } from '../../support/random-from.ts';

const weightOf = (item: { readonly weight: number }) => item.weight;

t.test('items are chosen in proportion to their weights', (t) => {
  const items = [
    { name: 'one', weight: 1 },
    { name: 'none', weight: 0 },
    { name: 'three', weight: 3 },
  ];
  const rows = [
    [0, 'one'],
    [0.2499, 'one'],
    [0.25, 'three'],
    [0.9999, 'three'],
  ] as const;
  for (const [random, name] of rows) t.equal(pickWeighted(items, weightOf, random)?.item.name, name, `${random}`);
  t.end();
});

t.test('nothing is chosen where no item has a weight', (t) => {
  t.equal(pickWeighted([], weightOf, 0.5), undefined);
  t.equal(pickWeighted([{ weight: 0 }, { weight: 0 }], weightOf, 0.5), undefined);
  t.end();
});

t.test('the number that is left over is independent of the choice', (t) => {
  const random = randomFrom(5);
  const items = [{ weight: 1 }, { weight: 2 }];
  const sums = new Map(items.map((item) => [item, { count: 0, total: 0 }]));
  for (let i = 0; i < 20_000; i++) {
    const pick = pickWeighted(items, weightOf, random());
    if (pick === undefined || pick.random < 0 || pick.random >= 1) throw new Error('out of [0, 1)');
    const sum = sums.get(pick.item);
    if (sum) {
      sum.count++;
      sum.total += pick.random;
    }
  }
  const [first, second] = [...sums.values()];
  t.ok(first && Math.abs(first.count / 20_000 - 1 / 3) < 0.02, 'a third and two thirds');
  for (const sum of [first, second]) t.ok(sum && Math.abs(sum.total / sum.count - 0.5) < 0.02, 'evenly spread');
  t.end();
});
