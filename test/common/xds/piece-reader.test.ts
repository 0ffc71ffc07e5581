// A message in pieces, wherever it is cut: the same fields come out of it, and what is malformed is refused.
import protobuf from 'protobufjs/minimal.js';
import t from 'tap';
import { PieceReader } from '../../../common/xds/piece-reader.ts';

const message = protobuf.Writer.create()
  .uint32(10)
  .string('grün')
  .uint32(16)
  .uint64(2 ** 40)
  .uint32(26)
  .bytes(Buffer.alloc(300, 7))
  .uint32(37)
  .fixed32(1)
  .uint32(41)
  .fixed64(1)
  .uint32(50)
  .bytes(Buffer.alloc(0))
  .finish();

function readAll(pieces: readonly Uint8Array[]): readonly unknown[] {
  const reader = new PieceReader(pieces);
  const values: unknown[] = [];
  for (let tag = reader.tag(); tag !== undefined; tag = reader.tag()) {
    if (tag.field === 1) values.push(reader.text());
    else if (tag.field === 3 || tag.field === 6) values.push(Buffer.from(reader.bytes()));
    else reader.skip(tag.wireType);
  }
  return values;
}

t.test('it is the same wherever it is cut', async (t) => {
  const expected = ['grün', Buffer.alloc(300, 7), Buffer.alloc(0)];
  t.same(readAll([message]), expected);
  const bytes = Array.from(message, (byte) => Uint8Array.of(byte));
  t.same(readAll(bytes), expected, 'byte by byte');
  for (let cut = 0; cut <= message.length; cut++) {
    const pieces = [message.subarray(0, cut), new Uint8Array(), message.subarray(cut)];
    if (JSON.stringify(readAll(pieces)) !== JSON.stringify(expected)) t.fail(`cut at ${cut}`);
  }
});

t.test('what lies in one piece is not copied', async (t) => {
  const reader = new PieceReader([message]);
  for (let tag = reader.tag(); tag?.field !== 3; tag = reader.tag()) reader.skip(tag?.wireType ?? 0);
  t.equal(reader.bytes().buffer, message.buffer);
});

t.test('a message that ends too early, or has what no message has, is refused', async (t) => {
  let refused = 0;
  for (let length = 1; length < message.length; length++) {
    try {
      readAll([message.subarray(0, length)]);
    } catch (error) {
      t.match(error, { code: 'RESOURCE_INVALID', message: /the message \(\d+ bytes\) is malformed: / });
      refused += 1;
    }
  }
  t.equal(refused, message.length - 1 - 5, 'all but the five that end between two fields');
  const wrong = [[0x00], [0x0b], [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], [...Array(11).fill(0xff), 0]];
  for (const bytes of wrong) t.throws(() => readAll([Uint8Array.from(bytes)]), { code: 'RESOURCE_INVALID' });
});
