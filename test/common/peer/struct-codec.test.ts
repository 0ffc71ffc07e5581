import t from 'tap';
import { decodeStruct, encodeStruct, type Struct, type StructValue } from '../../../common/peer/struct-codec.ts';
import { randomFrom } from '../../support/random-from.ts';

t.test('each kind of value, byte by byte', async (t) => {
  const hexOf = (value: StructValue): string => encodeStruct(new Map([['k', value]])).toString('hex');
  t.equal(hexOf('v'), '0a080a016b12031a0176');
  t.equal(hexOf(null), '0a070a016b12020800');
  t.equal(hexOf(true), '0a070a016b12022001');
  t.equal(hexOf(1), '0a0e0a016b120911000000000000f03f');
  t.equal(hexOf(new Map()), '0a070a016b12022a00');
  t.equal(hexOf(['v']), '0a0c0a016b120732050a031a0176');
});

t.test('keys are written in ascending order of their bytes', async (t) => {
  const one = encodeStruct(
    new Map([
      ['b', '1'],
      ['a', '2'],
    ]),
  );
  const other = encodeStruct(
    new Map([
      ['a', '2'],
      ['b', '1'],
    ]),
  );
  t.equal(one.toString('hex'), other.toString('hex'));
  t.same([...decodeStruct(one).keys()], ['a', 'b']);
});

t.test('any values come back as they went; cut off, they are refused or are fewer', async (t) => {
  const random = randomFrom(4);
  const anyValue = (depth: number): StructValue => {
    const kind = Math.floor(random() * (depth === 0 ? 4 : 6));
    if (kind === 0) return null;
    if (kind === 1) return random() < 0.5;
    if (kind === 2) return random() * 1e6;
    if (kind === 3) return 'text'.repeat(random() * 5);
    if (kind === 4) return Array.from({ length: random() * 4 }, () => anyValue(depth - 1));
    return structOf(depth - 1);
  };
  const structOf = (depth: number): Struct =>
    new Map(Array.from({ length: random() * 5 }, (_, index) => [`key-${index}`, anyValue(depth)]));
  for (let round = 0; round < 200; round += 1) {
    const struct = structOf(4);
    const bytes = encodeStruct(struct);
    t.same(decodeStruct(bytes), struct);
    for (let size = 0; size < bytes.length; size += 7) {
      try {
        t.ok(decodeStruct(bytes.subarray(0, size)).size <= struct.size);
      } catch (error) {
        t.ok(error instanceof Error);
      }
    }
  }
});
