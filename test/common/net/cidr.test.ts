import { BlockList } from 'node:net';
import t from 'tap';
import { type IpAddress, ipFamily, ipFromBytes, parseIp } from '../../../common/net/address.ts';
import { contains, formatCidr, parseCidr, rangeOf } from '../../../common/net/cidr.ts';
import { randomFrom } from '../../support/random-from.ts';

t.test('a range is masked to its network address', (t) => {
  const rows: readonly (readonly [string, string])[] = [
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.2.3', '10.1.2.3/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['192.168.1.129/25', '192.168.1.128/25'],
    ['fd00:1::1/16', 'fd00::/16'],
    ['::1', '::1/128'],
    ['2001:db8:ffff::/33', '2001:db8:8000::/33'],
    ['::ffff:10.0.0.7/120', '10.0.0.0/24'],
    ['::ffff:10.0.0.7', '10.0.0.7/32'],
    ['::ffff:10.0.0.7/64', '::/64'],
  ];
  for (const [text, canonical] of rows) {
    const range = parseCidr(text);
    t.equal(range === undefined ? undefined : formatCidr(range), canonical, text);
  }
  t.end();
});

t.test('what is no range is refused', (t) => {
  for (const text of ['', '/8', '10.0.0.0/', '10.0.0.0/33', '::/129', '10.0.0.0/08', '10.0.0.0/8/8', '10.0/8', 'a/8']) {
    t.equal(parseCidr(text), undefined, text);
  }
  const ip = parseIp('10.0.0.1');
  t.equal(ip && rangeOf(ip, 33), undefined);
  t.equal(ip && rangeOf(ip, 1.5), undefined);
  t.end();
});

t.test('contains agrees with BlockList on random ranges', (t) => {
  const random = randomFrom(4);
  let hits = 0;
  for (let i = 0; i < 5000; i++) {
    const network = randomIp(random);
    const family = ipFamily(network);
    const range = rangeOf(network, Math.floor(random() * (family === 4 ? 33 : 129)));
    if (range === undefined) throw new Error(`no range of ${network}`);
    const list = new BlockList();
    list.addSubnet(range.ip, range.prefixLength, family === 4 ? 'ipv4' : 'ipv6');
    for (const ip of [network, randomIp(random), randomIp(random)]) {
      const sameFamily = ipFamily(ip) === family;
      const expected = sameFamily && list.check(ip, family === 4 ? 'ipv4' : 'ipv6');
      if (contains(range, ip) !== expected) t.fail(`${ip} in ${formatCidr(range)}`);
      if (expected) hits++;
    }
  }
  t.ok(hits > 5000, `${hits} were inside`);
  t.end();
});

function randomIp(random: () => number): IpAddress {
  const bytes = Uint8Array.from({ length: random() < 0.5 ? 4 : 16 }, () =>
    random() < 0.5 ? 0 : Math.floor(random() * 256),
  );
  const ip = ipFromBytes(bytes);
  if (ip === undefined) throw new Error('4 or 16 bytes are an address');
  return ip;
}
