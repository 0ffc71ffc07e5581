import { type Answer, TRUNCATED_RESPONSE } from 'dns-packet';
import t from 'tap';
import { createAnswerCache } from '../../../ztunnel/dns/answer-cache.ts';
import { anAddress, aQuery, aResponse, recordsIn } from '../../support/dns-messages.ts';

const query = aQuery('www.example.net');
const soa = (ttl: number, minimum: number): Answer => ({
  type: 'SOA',
  name: 'example.net',
  ttl,
  data: { mname: 'ns.example.net', rname: 'me.example.net', serial: 1, refresh: 2, retry: 3, expire: 4, minimum },
});

/** Milliseconds for which the response is kept, in whole seconds. */
function keptFor(response: Buffer): number {
  const cache = createAnswerCache();
  cache.put(query, response, 0);
  for (let seconds = 0; ; seconds++) if (cache.get(query, seconds * 1_000) === undefined) return seconds * 1_000;
}

t.test('a response is kept as long as its records, which grow older', async (t) => {
  const cache = createAnswerCache();
  const answers = [anAddress('www.example.net', '192.0.2.1', 60), anAddress('www.example.net', '192.0.2.2', 90)];
  cache.put(query, aResponse(query, { answers }), 1_000);
  const later = cache.get(aQuery('www.example.net', 'A', { id: 9 }), 31_500) ?? Buffer.alloc(12);
  t.same(recordsIn(later), ['www.example.net 30 A 192.0.2.1', 'www.example.net 60 A 192.0.2.2']);
  t.equal(later.readUInt16BE(0), 9, 'with the id of who asks now');
  t.ok(cache.get(query, 60_999));
  t.equal(cache.get(query, 61_000), undefined);
});

t.test('another type, another size and other letters are other questions', async (t) => {
  const cache = createAnswerCache();
  cache.put(query, aResponse(query, { answers: [anAddress('www.example.net', '192.0.2.1')] }), 0);
  t.equal(cache.get(aQuery('www.example.net', 'AAAA'), 1), undefined);
  t.equal(cache.get(aQuery('www.example.net', 'A', { payloadBytes: 4_096 }), 1), undefined);
  t.equal(cache.get(aQuery('WWW.example.net'), 1), undefined);
});

t.test('that there is no such name or address is kept by the SOA record, half a minute at most', async (t) => {
  t.equal(keptFor(aResponse(query, { code: 3, authorities: [soa(20, 300)] })), 20_000);
  t.equal(keptFor(aResponse(query, { code: 3, authorities: [soa(300, 5)] })), 5_000);
  t.equal(keptFor(aResponse(query, { authorities: [soa(300, 300)] })), 30_000);
  t.equal(keptFor(aResponse(query, { code: 3 })), 0);
});

t.test('an hour is enough for any record', async (t) => {
  const answers = [anAddress('www.example.net', '192.0.2.1', 86_400)];
  t.equal(keptFor(aResponse(query, { answers })), 3_600_000);
});

t.test('failures, parts, and what may not be kept are not', async (t) => {
  const answers = [anAddress('www.example.net', '192.0.2.1')];
  t.equal(keptFor(aResponse(query, { answers })), 60_000);
  t.equal(keptFor(aResponse(query, { code: 2, answers })), 0);
  t.equal(keptFor(aResponse(query, { flags: TRUNCATED_RESPONSE, answers })), 0);
  t.equal(keptFor(aResponse(query, { answers: [anAddress('www.example.net', '192.0.2.1', 0)] })), 0);
  t.equal(keptFor(aResponse(query, { answers }).subarray(0, 40)), 0);
  t.equal(keptFor(Buffer.alloc(3)), 0);
});

t.test('it is bounded: the oldest leave, and the largest do not come', async (t) => {
  const cache = createAnswerCache();
  const large = (name: string, count: number): Buffer =>
    aResponse(aQuery(name), {
      answers: Array.from({ length: count }, (_, index) => anAddress(name, `192.0.2.${index}`)),
    });
  const names = Array.from({ length: 200 }, (_, index) => `host-${index}.example.net`);
  for (const name of names) cache.put(aQuery(name), large(name, 60), 0);
  const kept = names.filter((name) => cache.get(aQuery(name), 1) !== undefined);
  t.ok(kept.length > 20 && kept.length < 100, `${kept.length} of ${names.length}`);
  t.same(kept, names.slice(-kept.length));
  cache.put(query, large('www.example.net', 255).subarray(), 0);
  cache.put(aQuery('huge.example.net'), Buffer.concat([large('huge.example.net', 255), Buffer.alloc(40_000)]), 0);
  t.equal(cache.get(aQuery('huge.example.net'), 1), undefined);
});
