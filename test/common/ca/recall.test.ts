import t from 'tap';
import { createRecall } from '../../../common/ca/recall.ts';

const setUp = (maxEntries = 10) => {
  let nowMs = 0;
  const recall = createRecall<string>({
    terms: (answer, now) => (answer === 'no' ? undefined : { freshUntilMs: now + 10, goodUntilMs: now + 100 }),
    maxEntries,
    now: () => nowMs,
  });
  const asked: string[] = [];
  const get = (key: string, answer: string) =>
    recall.get(key, async () => {
      asked.push(key);
      return answer;
    });
  return { recall, asked, get, at: (ms: number) => void (nowMs = ms) };
};
const fails = () => Promise.reject(new Error('nobody answers'));

t.test('a fresh answer is not asked for again', async (t) => {
  const { asked, get, at } = setUp();
  t.equal(await get('a', 'one'), 'one');
  at(9);
  t.equal(await get('a', 'two'), 'one');
  at(10);
  t.equal(await get('a', 'two'), 'two');
  t.same(asked, ['a', 'a']);
});

t.test('a question that is being asked is not asked twice', async (t) => {
  const { asked, get } = setUp();
  t.same(await Promise.all([get('a', 'one'), get('a', 'two'), get('b', 'three')]), ['one', 'one', 'three']);
  t.same(asked, ['a', 'b']);
});

t.test('an answer stays good for a while when nobody answers', async (t) => {
  const { recall, get, at } = setUp();
  await get('a', 'one');
  at(99);
  t.equal(await recall.get('a', fails), 'one');
  at(100);
  await t.rejects(recall.get('a', fails), { message: 'nobody answers' });
  t.equal(await get('a', 'two'), 'two', 'and asking goes on');
});

t.test('what has no terms is not remembered', async (t) => {
  const { asked, get, recall } = setUp();
  await get('a', 'no');
  await get('a', 'no');
  t.equal(asked.length, 2);
  await get('a', 'yes');
  await recall.renew('a', async () => 'no');
  await t.rejects(recall.get('a', fails), { message: 'nobody answers' }, 'and what was remembered before is gone');
});

t.test('renewing asks in spite of a fresh answer', async (t) => {
  const { recall, get } = setUp();
  await get('a', 'one');
  t.equal(await recall.renew('a', async () => 'two'), 'two');
  t.equal(await get('a', 'three'), 'two');
});

t.test('the oldest answer makes room for the newest', async (t) => {
  const { asked, get } = setUp(2);
  for (const key of ['a', 'b', 'c', 'b', 'c', 'a']) await get(key, key);
  t.same(asked, ['a', 'b', 'c', 'a']);
});
