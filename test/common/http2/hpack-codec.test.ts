import t from 'tap';
import { encodeFields, HpackDecoder } from '../../../common/http2/hpack-codec.ts';
import { decodeHuffman } from '../../../common/http2/hpack-huffman.ts';
import { DynamicTable, type HeaderField, staticTable } from '../../../common/http2/hpack-tables.ts';
import { randomFrom } from '../../support/random-from.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const fields = (...list: HeaderField[]) => ({ kind: 'fields', fields: list });

t.test('the request examples of RFC 7541 C.3 decode over one dynamic table', async (t) => {
  const decoder = new HpackDecoder(16_384);
  const first: HeaderField[] = [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
  ];
  t.same(decoder.decode(hex('8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d')), fields(...first));
  t.same(decoder.decode(hex('8286 84be 5808 6e6f 2d63 6163 6865')), fields(...first, ['cache-control', 'no-cache']));
  t.same(
    decoder.decode(hex('8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65')),
    fields(
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', '/index.html'],
      [':authority', 'www.example.com'],
      ['custom-key', 'custom-value'],
    ),
  );
});

t.test('the Huffman examples of RFC 7541 C.4 and C.6 decode', async (t) => {
  const decoder = new HpackDecoder(16_384);
  t.same(
    decoder.decode(hex('8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff')),
    fields([':method', 'GET'], [':scheme', 'http'], [':path', '/'], [':authority', 'www.example.com']),
  );
  t.equal(decodeHuffman(hex('d07abe941054d444a8200595040b8166e082a62d1bff')), 'Mon, 21 Oct 2013 20:13:21 GMT');
  t.equal(decodeHuffman(hex('9d29ad171863c78f0b97c8e9ae82ae43d3')), 'https://www.example.com');
});

t.test('Huffman text with EOS, long padding or padding of zeros is refused', async (t) => {
  t.equal(decodeHuffman(hex('')), '');
  t.equal(decodeHuffman(hex('ffffffff')), undefined, 'EOS');
  t.equal(decodeHuffman(hex('1fff')), undefined, 'eleven bits of padding');
  t.equal(decodeHuffman(hex('18')), undefined, 'padding with a zero');
  t.equal(decodeHuffman(hex('1f')), 'a');
});

t.test('the fixed table has its 61 entries in place', async (t) => {
  t.equal(staticTable.length, 61);
  t.same(staticTable[7], [':status', '200']);
  t.same(staticTable[15], ['accept-encoding', 'gzip, deflate']);
  t.same(staticTable[60], ['www-authenticate', '']);
});

t.test('what the encoder writes decodes to the same fields', async (t) => {
  const random = randomFrom(3);
  const names = [':status', ':authority', 'baggage', 'forwarded', 'x-a', 'accept'];
  const decoder = new HpackDecoder(1 << 20);
  for (let round = 0; round < 300; round++) {
    const list = Array.from({ length: Math.floor(random() * 8) }, (): HeaderField => {
      const name = names[Math.floor(random() * names.length)] ?? 'x';
      const length = Math.floor(random() * (random() < 0.1 ? 5000 : 200));
      return [name, Array.from({ length }, () => String.fromCharCode(32 + Math.floor(random() * 223))).join('')];
    });
    t.same(decoder.decode(encodeFields(list, round === 0 ? 'first' : 'later')), fields(...list));
  }
});

t.test('a 200 is one byte, and the first block of a connection empties the table', async (t) => {
  t.equal(encodeFields([[':status', '200']], 'later').toString('hex'), '88');
  t.equal(encodeFields([[':status', '200']], 'first').toString('hex'), '2088');
});

t.test('the dynamic table evicts the oldest, and an entry larger than it empties it', async (t) => {
  const table = new DynamicTable(100);
  table.add(['a', '1']);
  table.add(['b', '2']);
  t.same(table.get(62), ['b', '2']);
  t.same(table.get(63), ['a', '1']);
  table.add(['c', '3']);
  t.same([table.get(62), table.get(63), table.get(64)], [['c', '3'], ['b', '2'], undefined]);
  table.add(['d', 'x'.repeat(100)]);
  t.equal(table.get(62), undefined);
  t.equal(table.resize(101), 'too-large');
});

const broken: [title: string, block: string][] = [
  ['index 0', '80'],
  ['an index beyond both tables', 'be'],
  ['a table size above what we announced', '3fe21f 88'],
  ['a table size update after a field', '88 20'],
  ['an integer that never ends', 'ff ffffffffffff'],
  ['a text that is cut off', '40 05 61'],
  ['a name without a value', '40 01 61'],
  ['a block cut in an integer', '7f'],
  ['broken Huffman text', '40 84ffffffff 00'],
];
for (const [title, block] of broken) {
  t.test(`a block with ${title} is malformed`, async (t) => {
    t.match(new HpackDecoder(16_384).decode(hex(block)), { kind: 'malformed' });
  });
}

t.test('a list above the limit is reported, and the table stays in step', async (t) => {
  const decoder = new HpackDecoder(200);
  const large = encodeFields([['x', 'y'.repeat(300)]], 'later');
  const added = hex('40 01 61 01 62');
  t.same(decoder.decode(Buffer.concat([large, added])), { kind: 'too-large', sizeBytes: 333 + 34 });
  t.same(decoder.decode(hex('be')), fields(['a', 'b']));
});

t.test('random bytes never throw', async (t) => {
  const random = randomFrom(11);
  const decoder = new HpackDecoder(16_384);
  for (let round = 0; round < 3000; round++) {
    const block = Buffer.from(Array.from({ length: Math.floor(random() * 60) }, () => Math.floor(random() * 256)));
    t.ok(['fields', 'too-large', 'malformed'].includes(decoder.decode(block).kind));
  }
});

t.test('the table may change its size twice before the first field, no more and no later', async (t) => {
  const decoder = new HpackDecoder(1_000);
  t.match(decoder.decode(Buffer.from('203fe11f88', 'hex')), { kind: 'fields', fields: [[':status', '200']] });
  t.match(decoder.decode(Buffer.from('20202088', 'hex')), { kind: 'malformed' });
  t.match(decoder.decode(Buffer.from('8820', 'hex')), { kind: 'malformed' });
});

t.test('a block that holds many times what is allowed is not decoded to its end', async (t) => {
  const decoder = new HpackDecoder(1_000);
  // ":status: 200" counts 42 bytes.
  t.match(decoder.decode(Buffer.alloc(100, 0x88)), { kind: 'too-large', sizeBytes: 4_200 });
  t.match(decoder.decode(Buffer.alloc(10_000, 0x88)), { kind: 'bomb', detail: /10000 bytes holds more than 8022/ });
});
