import { encode } from 'dns-packet';
import t from 'tap';
import {
  type DecodedQuery,
  decodeQuery,
  encodeFailure,
  encodeQuery,
  maxQueryBytes,
} from '../../../ztunnel/dns/query-codec.ts';
import { randomFrom } from '../../support/random-from.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
/** id 1234, recursion desired, one question: a.net, type A, class IN. */
const plain = hex('1234 0100 0001 0000 0000 0000  01 61 03 6e6574 00 0001 0001');
/** The same with an OPT record: 1232 bytes, signatures wanted. */
const withEdns = hex('1234 0110 0001 0000 0000 0001  01 61 03 6e6574 00 0001 0001  00 0029 04d0 00 00 8000 0000');

function refusal(decoded: DecodedQuery): string {
  if (decoded.kind !== 'refused') throw new Error(decoded.kind);
  return decoded.response.toString('hex');
}

t.test('a query byte by byte', async (t) => {
  t.match(decodeQuery(plain), {
    kind: 'query',
    query: { name: 'a.net', type: 'A', class: 'IN', questionEnd: 23, maxDatagramBytes: 512, edns: undefined },
  });
  t.match(decodeQuery(withEdns), { query: { maxDatagramBytes: 1_232, edns: { dnssecOk: true } } });
});

t.test('names are lower case, the root is empty, and newer types have a word', async (t) => {
  t.match(decodeQuery(hex('1234 0100 0001 0000 0000 0000 01 41 03 4e6554 00 0041 0001')), {
    query: { name: 'a.net', type: 'HTTPS' },
  });
  t.match(decodeQuery(hex('1234 0100 0001 0000 0000 0000 00 03e7 0003')), {
    query: { name: '', type: 'UNKNOWN_999', class: 'CH' },
  });
});

t.test('a client takes 512 bytes, even if it says less', async (t) => {
  const small = Buffer.from(withEdns);
  small.writeUInt16BE(100, 26);
  t.match(decodeQuery(small), { query: { maxDatagramBytes: 512 } });
});

t.test('what is too short or a response is not answered', async (t) => {
  for (let length = 0; length < 12; length++) t.equal(decodeQuery(plain.subarray(0, length)).kind, 'ignored');
  const response = Buffer.from(plain);
  response.writeUInt16BE(0x8180, 2);
  t.equal(decodeQuery(response).kind, 'ignored');
});

t.test('a query that is cut anywhere is malformed', async (t) => {
  for (let length = 12; length < withEdns.length; length++) {
    t.equal(refusal(decodeQuery(withEdns.subarray(0, length))), '123481910000000000000000', `${length} bytes`);
  }
});

t.test('other operations are not implemented', async (t) => {
  t.equal(refusal(decodeQuery(hex('1234 2000 0001 0000 0000 0000 01 61 00 0001 0001'))), '1234a0840000000000000000');
});

t.test('no question, two questions, a pointer in it, and more records than a query has are malformed', async (t) => {
  const malformed = [
    '1234 0100 0000 0000 0000 0000',
    '1234 0100 0002 0000 0000 0000 01 61 00 0001 0001 01 61 00 0001 0001',
    '1234 0100 0001 0000 0000 0000 c00c 0001 0001',
    '1234 0100 0001 0000 0000 0000 40 61 00 0001 0001',
    '1234 0100 0001 0000 0000 ffff 01 61 00 0001 0001',
    `1234 0100 0001 0000 0000 0000 ${`3f${'61'.repeat(63)}`.repeat(5)} 00 0001 0001`,
  ];
  for (const text of malformed) t.equal(refusal(decodeQuery(hex(text))), '123481810000000000000000', text);
  const long = Buffer.concat([withEdns, Buffer.alloc(maxQueryBytes)]);
  t.equal(decodeQuery(long).kind, 'refused', 'bytes behind it');
});

t.test('a later EDNS is told which one we know', async (t) => {
  const later = Buffer.from(withEdns);
  later.writeUInt8(1, 29);
  const opt = '00 0029 04d0 01 00 8000 0000';
  t.equal(
    refusal(decodeQuery(later)),
    hex(`1234 8190 0001 0000 0000 0001 01 61 03 6e6574 00 0001 0001 ${opt}`).toString('hex'),
  );
});

t.test('a failure repeats the question and the OPT record', async (t) => {
  const decoded = decodeQuery(withEdns);
  if (decoded.kind !== 'query') throw new Error(decoded.kind);
  const opt = '00 0029 04d0 00 00 8000 0000';
  t.same(
    encodeFailure(withEdns, decoded.query, 2),
    hex(`1234 8192 0001 0000 0000 0001 01 61 03 6e6574 00 0001 0001 ${opt}`),
  );
});

t.test('our own queries are as those of programs', async (t) => {
  t.match(encodeQuery('db.example.com', 'AAAA'), { kind: 'query', query: { name: 'db.example.com', type: 'AAAA' } });
});

t.test('no bytes at all make it throw', async (t) => {
  const random = randomFrom(53);
  const seeds = [
    plain,
    withEdns,
    encode({
      type: 'query',
      questions: [{ type: 'TXT', name: 'x.y.z' }],
      additionals: [
        {
          type: 'OPT',
          name: '.',
          udpPayloadSize: 4_096,
          extendedRcode: 0,
          ednsVersion: 0,
          flags: 0,
          flag_do: false,
          options: [
            { code: 8, ip: '10.0.0.0', sourcePrefixLength: 24 },
            { code: 14, tags: [1, 2] },
            { code: 11, timeout: 3 },
          ],
        },
      ],
    }),
  ];
  const kinds = new Set<string>();
  for (let round = 0; round < 60_000; round++) {
    const seed = seeds[round % seeds.length] ?? plain;
    const message = round % 5 === 0 ? Buffer.alloc(Math.floor(random() * 80)) : Buffer.from(seed);
    const changes = round % 5 === 0 ? message.length : 1 + Math.floor(random() * 6);
    for (let change = 0; change < changes; change++) message[Math.floor(random() * message.length)] = random() * 256;
    const cut = message.subarray(0, round % 3 === 0 ? Math.floor(random() * message.length) : message.length);
    const decoded = decodeQuery(cut);
    kinds.add(decoded.kind);
    if (decoded.kind === 'refused' && decoded.response.length > cut.length + 11)
      t.fail('an answer larger than the query');
  }
  t.same([...kinds].sort(), ['ignored', 'query', 'refused'], 'all ways were gone');
});
