// Equal bytes have one value; what is held is bounded, and what another one displaces is read again.
import t from 'tap';
import { SharedValues } from '../../../common/xds/shared-values.ts';

interface Read {
  readonly text: string;
}

function take(values: SharedValues<Read>, text: string, count: { reads: number }): Read {
  const buffer = Buffer.from(`before ${text} after`);
  const end = buffer.length - ' after'.length;
  return values.take(buffer, 'before '.length, end, () => {
    count.reads += 1;
    return { text };
  });
}

t.test('equal bytes are read once', async (t) => {
  const values = new SharedValues<Read>();
  const count = { reads: 0 };
  const first = take(values, 'same', count);
  t.equal(take(values, 'same', count), first);
  t.not(take(values, 'samf', count), first);
  t.same(take(values, '', count), { text: '' });
  t.equal(count.reads, 3);
});

t.test('any number of values is read right', async (t) => {
  const values = new SharedValues<Read>();
  for (const round of [1, 2]) {
    for (let index = 0; index < 20_000; index++) {
      const { text } = take(values, `value ${index}`, { reads: round });
      if (text !== `value ${index}`) t.fail(`${text} for ${index}`);
    }
  }
});

t.test('what is too long to be sent twice is not held, and what cannot be read is told each time', async (t) => {
  const values = new SharedValues<Read>();
  const count = { reads: 0 };
  for (let round = 0; round < 2; round++) take(values, 'x'.repeat(300), count);
  t.equal(count.reads, 2);
  const fail = () =>
    values.take(Buffer.from('bad'), 0, 3, () => {
      throw new Error('no');
    });
  t.throws(fail);
  t.throws(fail);
});
