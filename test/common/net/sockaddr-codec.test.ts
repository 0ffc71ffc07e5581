import t from 'tap';
import { ipFromBytes, parseSocketAddress } from '../../../common/net/address.ts';
import { decodeSockaddr, encodeSockaddr, encodeUnixSockaddr } from '../../../common/net/sockaddr-codec.ts';
import { randomFrom } from '../../support/random-from.ts';

const address = (text: string) => {
  const parsed = parseSocketAddress(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};

t.test('addresses byte by byte', async (t) => {
  t.equal(encodeSockaddr(address('10.1.2.3:8080')).toString('hex'), `02001f900a010203${'00'.repeat(8)}`);
  t.equal(
    encodeSockaddr(address('[fd00::1]:15001')).toString('hex'),
    `0a003a9900000000fd00${'00'.repeat(13)}0100000000`,
  );
  t.equal(encodeUnixSockaddr('/r/z')?.toString('hex'), '01002f722f7a00');
});

t.test('an address comes back as it went', async (t) => {
  const random = randomFrom(7);
  for (let i = 0; i < 500; i++) {
    const ip = ipFromBytes(Uint8Array.from({ length: random() < 0.5 ? 4 : 16 }, () => Math.floor(random() * 256)));
    if (ip === undefined) throw new Error('4 or 16 bytes are an address');
    const given = { ip, port: Math.floor(random() * 65536) };
    t.same(decodeSockaddr(encodeSockaddr(given)), given);
  }
});

t.test('what is no internet address, or cut short, is undefined', async (t) => {
  t.equal(decodeSockaddr(Buffer.alloc(28)), undefined);
  const v6 = encodeSockaddr(address('[::1]:1'));
  for (let size = 0; size < v6.length; size++) t.equal(decodeSockaddr(v6.subarray(0, size)), undefined);
});

t.test('a unix path has a limit', async (t) => {
  t.equal(encodeUnixSockaddr('x'.repeat(107))?.length, 110);
  t.equal(encodeUnixSockaddr('x'.repeat(108)), undefined);
  t.equal(encodeUnixSockaddr(''), undefined);
});
