// Pages are as long as is parsed quickly, whatever the objects weigh.
import t from 'tap';
import { firstPageObjects, nextPageObjects } from '../../../../common/sources/kubernetes/page-size.ts';

t.test('light objects come in long pages, heavy ones in short ones', async (t) => {
  t.equal(nextPageObjects(100, 100 * 2_000), 200);
  t.equal(nextPageObjects(200, 200 * 10_000), 40);
});

t.test('there is a shortest and a longest page', async (t) => {
  t.equal(nextPageObjects(1, 1_500_000), 20);
  t.equal(nextPageObjects(100, 100), 500);
});

t.test('a page without objects says nothing of their size', async (t) => {
  t.equal(nextPageObjects(0, 90), firstPageObjects);
});
