// Lines of a watch, however the network cuts them.
import t from 'tap';
import { LineSplitter } from '../../../../common/sources/kubernetes/line-splitter.ts';
import { randomFrom } from '../../../support/random-from.ts';

const text = '{"a":"é"}\n{"b":1}\n\n{"long":"xxxxxxxxxxxxxxxx"}\nrest';
const lines = ['{"a":"é"}', '{"b":1}', '{"long":"xxxxxxxxxxxxxxxx"}'];

t.test('lines are whole, byte by byte', async (t) => {
  const splitter = new LineSplitter(100);
  t.same(
    [...Buffer.from(text)].flatMap((byte) => splitter.push(Buffer.from([byte]))),
    lines,
  );
});

t.test('lines are whole, however they are cut', async (t) => {
  const bytes = Buffer.from(text);
  for (let seed = 1; seed < 50; seed += 1) {
    const random = randomFrom(seed);
    const splitter = new LineSplitter(100);
    const found: string[] = [];
    for (let start = 0; start < bytes.length; ) {
      const end = start + 1 + Math.floor(random() * 12);
      found.push(...splitter.push(bytes.subarray(start, end)));
      start = end;
    }
    t.same(found, lines, `seed ${seed}`);
  }
});

t.test('a line that is too long is refused', async (t) => {
  const splitter = new LineSplitter(10);
  t.same(splitter.push(Buffer.from('0123456789\n0123456789')), ['0123456789']);
  t.throws(() => splitter.push(Buffer.from('x')), { code: 'RESOURCE_INVALID' });
});
