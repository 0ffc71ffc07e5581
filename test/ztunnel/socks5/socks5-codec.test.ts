// SOCKS5 messages byte by byte: what is read, what waits for more, what is refused and with which reply.
import t from 'tap';
import { parseGreeting, parseRequest, writeMethodChoice, writeReply } from '../../../ztunnel/socks5/socks5-codec.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

t.test('a greeting lists methods', async (t) => {
  t.same(parseGreeting(bytes('05 02 00 02 ff')), { kind: 'parsed', value: [0, 2], lengthBytes: 4 });
  t.same(parseGreeting(bytes('05 00')), { kind: 'parsed', value: [], lengthBytes: 2 });
  t.match(parseGreeting(bytes('04 01')), { kind: 'malformed', reason: 'SOCKS5: version 4 is not 5' });
});

t.test('a request names an IPv4 address, an IPv6 address or a name', async (t) => {
  t.same(parseRequest(bytes('05 01 00 01 7f 01 02 03 00 50')), {
    kind: 'parsed',
    value: { kind: 'address', address: { ip: '127.1.2.3', port: 80 } },
    lengthBytes: 10,
  });
  t.same(parseRequest(bytes('05 01 00 04 fd00 0000 0000 0000 0000 0000 0000 0001 1f90')), {
    kind: 'parsed',
    value: { kind: 'address', address: { ip: 'fd00::1', port: 8080 } },
    lengthBytes: 22,
  });
  t.same(parseRequest(bytes('05 01 00 03 04 45 63 68 6f 00 07 99')), {
    kind: 'parsed',
    value: { kind: 'name', hostname: 'echo', port: 7 },
    lengthBytes: 11,
  });
});

t.test('every shorter part of a message waits for the rest', async (t) => {
  const greeting = bytes('05 02 00 02');
  const request = bytes('05 01 00 03 04 65 63 68 6f 00 07');
  for (let length = 0; length < greeting.length; length++) {
    t.equal(parseGreeting(greeting.subarray(0, length)).kind, 'incomplete');
  }
  for (let length = 0; length < request.length; length++) {
    t.equal(parseRequest(request.subarray(0, length)).kind, 'incomplete');
  }
});

t.test('what is not CONNECT to a destination is refused with the reply that says so', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['05 02 00 01 7f 00 00 01 00 50', 'commandNotSupported'],
    ['05 01 00 05 7f 00 00 01 00 50', 'addressTypeNotSupported'],
    ['05 01 00 01 7f 00 00 01 00 00', 'generalFailure'],
    ['05 01 00 03 02 2e 2e 00 50', 'generalFailure'],
    ['05 01 00 03 00 00 50', 'generalFailure'],
    ['04 01 00 01 7f 00 00 01 00 50', 'generalFailure'],
  ];
  for (const [hex, reply] of cases) t.match(parseRequest(bytes(hex)), { kind: 'malformed', reply }, hex);
});

t.test('the longest name is read, and no message is longer', async (t) => {
  const label = 'a'.repeat(63);
  const name = [label, label, label, 'a'.repeat(61)].join('.');
  const request = Buffer.concat([bytes('05 01 00 03'), Buffer.from([name.length]), Buffer.from(name), bytes('00 50')]);
  t.match(parseRequest(request), { kind: 'parsed', lengthBytes: 4 + 1 + 253 + 2 });
  const endless = Buffer.concat([bytes('05 01 00 03 ff'), Buffer.alloc(4096, 0x61)]);
  t.equal(parseRequest(endless).kind, 'malformed');
});

t.test('replies are those of RFC 1928', async (t) => {
  t.same(writeMethodChoice([2, 0]), { accepted: 'yes', bytes: bytes('05 00') });
  t.same(writeMethodChoice([2]), { accepted: 'no', bytes: bytes('05 ff') });
  t.same(writeReply('succeeded'), bytes('05 00 00 01 00 00 00 00 00 00'));
  t.same(writeReply('hostUnreachable'), bytes('05 04 00 01 00 00 00 00 00 00'));
});
