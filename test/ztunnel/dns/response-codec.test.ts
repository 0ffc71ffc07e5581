import { AUTHORITATIVE_ANSWER, decode } from 'dns-packet';
import t from 'tap';
import {
  addressesOf,
  encodeAnswer,
  fitResponse,
  isResponseTo,
  recordsOf,
  relayResponse,
} from '../../../ztunnel/dns/response-codec.ts';
import { anAddress, aQuery, aResponse, decodedQuery, headOf, recordsIn } from '../../support/dns-messages.ts';
import { at } from '../../support/mesh-objects.ts';
import { randomFrom } from '../../support/random-from.ts';

t.test('an answer of the mesh byte by byte', async (t) => {
  const query = decodedQuery(aQuery('a.net', 'A', { id: 0x1234 }));
  const response = encodeAnswer(query, { addresses: [at('10.0.0.1')], canonicalName: undefined });
  const record = 'c00c 0001 0001 0000001e 0004 0a000001';
  const wanted = `1234 8580 0001 0001 0000 0000 01 61 03 6e6574 00 0001 0001 ${record}`;
  t.equal(response.toString('hex'), wanted.replaceAll(' ', ''));
});

t.test('an alias comes first, and the addresses have its name', async (t) => {
  const query = decodedQuery(aQuery('web.shop.cluster.local', 'AAAA', { payloadBytes: 1_232 }));
  const addresses = [at('fd00::1'), at('fd00::2')];
  const response = encodeAnswer(query, { addresses, canonicalName: 'web.shop' });
  t.equal(headOf(response), 'NOERROR aa rd ra');
  t.same(recordsIn(response), [
    'web.shop 30 AAAA fd00::1',
    'web.shop 30 AAAA fd00::2',
    'web.shop.cluster.local 30 CNAME web.shop',
  ]);
  t.equal(decode(response).answers?.[0]?.type, 'CNAME');
  t.same(recordsIn(response, 'additionals'), ['OPT 1232 0']);
});

t.test('no address is an answer without records', async (t) => {
  const query = decodedQuery(aQuery('web', 'AAAA'));
  const response = encodeAnswer(query, { addresses: [], canonicalName: 'other' });
  t.equal(headOf(response), 'NOERROR aa rd ra');
  t.same(recordsIn(response), []);
});

t.test('the letters of the question stay as they were sent', async (t) => {
  const query = decodedQuery(aQuery('WeB'));
  const response = encodeAnswer(query, { addresses: [at('10.0.0.1')], canonicalName: undefined });
  t.equal(decode(response).questions?.[0]?.name, 'WeB');
});

t.test('what does not fit is cut between records, and marked', async (t) => {
  for (const [payloadBytes, count] of [
    [undefined, 30],
    [1_232, 74],
  ] as const) {
    const more = payloadBytes === undefined ? {} : { payloadBytes };
    const query = decodedQuery(aQuery('large.ns.svc', 'A', more));
    const addresses = Array.from({ length: 256 }, (_, index) => at(`10.0.1.${index}`));
    const whole = encodeAnswer(query, { addresses, canonicalName: undefined });
    t.equal(recordsIn(fitResponse(query, whole, 65_535)).length, 256);
    const cut = fitResponse(query, whole, query.maxDatagramBytes);
    t.equal(headOf(cut), 'NOERROR aa tc rd ra');
    t.equal(recordsIn(cut).length, count);
    t.ok(cut.length <= query.maxDatagramBytes && cut.length > query.maxDatagramBytes - 16, `${cut.length} bytes`);
    t.same(recordsIn(cut, 'additionals'), payloadBytes === undefined ? [] : ['OPT 1232 0']);
  }
});

t.test('a response of a name server keeps all but its id and whose it is', async (t) => {
  const query = decodedQuery(aQuery('www.example.net', 'A', { id: 7 }));
  const theirs = aResponse(aQuery('www.example.net', 'A', { id: 8 }), {
    flags: AUTHORITATIVE_ANSWER,
    answers: [anAddress('www.example.net', '192.0.2.1', 77)],
    authorities: [{ type: 'NS', name: 'example.net', ttl: 9, data: 'ns.example.net' }],
    additionals: [anAddress('ns.example.net', '192.0.2.53', 9)],
  });
  const relayed = relayResponse(query, theirs);
  t.equal(decode(relayed).id, 7);
  t.equal(headOf(relayed), 'NOERROR rd ra');
  t.same(relayed.subarray(4), theirs.subarray(4));
  t.equal(theirs.readUInt16BE(0), 8, 'theirs is left alone: it may be kept');
  t.match(headOf(relayResponse(query, aResponse(query.bytes, { code: 3 }))), /^NXDOMAIN/);
});

t.test('only a response with this id and this question is one to a query', async (t) => {
  const query = aQuery('www.example.net');
  const end = decodedQuery(query).questionEnd;
  const isOne = (message: Buffer): boolean => isResponseTo(query, end, message);
  t.equal(isOne(aResponse(query)), true);
  t.equal(isOne(aResponse(aQuery('WWW.example.net'))), true, 'letters do not count');
  t.equal(isOne(query), false, 'a query is none');
  t.equal(isOne(aResponse(aQuery('www.example.net', 'A', { id: 1 }))), false);
  t.equal(isOne(aResponse(aQuery('www.example.org'))), false);
  t.equal(isOne(aResponse(aQuery('www.example.net', 'AAAA'))), false);
  for (let length = 0; length < end; length++) t.equal(isOne(aResponse(query).subarray(0, length)), false);
});

t.test('addresses at the end of aliases are found', async (t) => {
  const query = aQuery('www.example.net');
  const response = aResponse(query, {
    answers: [
      { type: 'CNAME', name: 'www.example.net', ttl: 1, data: 'edge.example.org' },
      anAddress('edge.example.org', '192.0.2.1'),
      anAddress('edge.example.org', '2001:db8::1'),
    ],
  });
  t.same(addressesOf(response, 1), ['192.0.2.1']);
  t.same(addressesOf(response, 28), ['2001:db8::1']);
});

t.test('no bytes at all make it throw, and records lie within them', async (t) => {
  const random = randomFrom(1_053);
  const query = decodedQuery(aQuery('large.example.net', 'A', { payloadBytes: 512 }));
  const answers = Array.from({ length: 60 }, (_, index) => anAddress('large.example.net', `192.0.2.${index}`));
  const seed = aResponse(query.bytes, { answers, additionals: [anAddress('x', '192.0.2.1')] });
  let whole = 0;
  for (let round = 0; round < 20_000; round++) {
    const message = Buffer.from(seed);
    for (let change = 0; change < 4; change++) message[Math.floor(random() * message.length)] = random() * 256;
    const cut = round % 2 === 0 ? message : message.subarray(0, 12 + Math.floor(random() * (message.length - 12)));
    const records = recordsOf(cut);
    if (records !== undefined) whole++;
    if (records?.some(({ start, ttlAt, end }) => start >= ttlAt || ttlAt + 6 > end || end > cut.length))
      t.fail('out of it');
    addressesOf(cut, 1);
    if (fitResponse(query, cut, 512).length > 512) t.fail('more than the client takes');
  }
  t.ok(whole > 100 && whole < 19_900, `${whole} were whole`);
});
