import { isIP } from 'node:net';
import t from 'tap';
import {
  formatSocketAddress,
  ipFamily,
  ipFromBytes,
  ipToBytes,
  isLoopback,
  parseIp,
  parsePort,
  parseSocketAddress,
} from '../../../common/net/address.ts';
import { randomFrom } from '../../support/random-from.ts';

t.test('an address is written in its canonical form', (t) => {
  const rows: readonly (readonly [string, string])[] = [
    ['10.0.0.1', '10.0.0.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['2001:DB8::A', '2001:db8::a'],
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['fe80::', 'fe80::'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['::FFFF:0a01:0203', '10.1.2.3'],
    ['0:0:0:0:0:ffff:10.1.2.3', '10.1.2.3'],
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
    ['::1.2.3.4', '::102:304'],
  ];
  for (const [text, canonical] of rows) t.equal(parseIp(text), canonical, text);
  t.end();
});

t.test('what is no address is refused', (t) => {
  const texts = [
    '',
    ' 10.0.0.1',
    '10.0.0.1 ',
    '10.0.0',
    '10.0.0.',
    '.10.0.0.1',
    '10..0.1',
    '10.0.0.1.2',
    '010.0.0.1',
    '10.0.0.01',
    '10.0.0.256',
    '10.0.0.-1',
    '0x10.0.0.1',
    '1e1.0.0.1',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4::5:6:7:8',
    '12345::',
    'g::',
    'fe80::1%eth0',
    '[::1]',
    '1.2.3.4::',
    '::1.2.3.4:5',
    '::1.2.3',
    'example.com',
    `::${'0'.repeat(100)}`,
  ];
  for (const text of texts) t.equal(parseIp(text), undefined, JSON.stringify(text));
  t.end();
});

t.test('parseIp agrees with node:net on random and damaged texts', (t) => {
  const random = randomFrom(1);
  const alphabet = '0123456789abcdefABCDEF::::....%-g ';
  let addresses = 0;
  for (let i = 0; i < 20_000; i++) {
    const bytes = Uint8Array.from({ length: random() < 0.5 ? 4 : 16 }, () =>
      random() < 0.5 ? 0 : Math.floor(random() * 256),
    );
    let text: string = ipFromBytes(bytes) ?? '';
    const edits = Math.floor(random() * 3);
    for (let e = 0; e < edits; e++) {
      const at = Math.floor(random() * (text.length + 1));
      const inserted = alphabet[Math.floor(random() * alphabet.length)] ?? '';
      text = text.slice(0, at) + inserted + text.slice(at + Math.floor(random() * 2));
    }
    const parsed = parseIp(text);
    if (text.includes('%')) t.equal(parsed, undefined, text);
    else if ((parsed !== undefined) !== (isIP(text) !== 0)) t.fail(`disagrees on ${text}`);
    if (parsed === undefined) continue;
    addresses++;
    if (parseIp(parsed) !== parsed) t.fail(`${text}: ${parsed} is not canonical`);
    if (isIP(parsed) !== ipFamily(parsed)) t.fail(`${text}: family of ${parsed}`);
  }
  t.ok(addresses > 5000, `${addresses} of the texts were addresses`);
  t.end();
});

t.test('bytes become an address and come back', (t) => {
  const random = randomFrom(2);
  for (let i = 0; i < 5000; i++) {
    const bytes = Uint8Array.from({ length: random() < 0.5 ? 4 : 16 }, () =>
      random() < 0.6 ? 0 : Math.floor(random() * 256),
    );
    const ip = ipFromBytes(bytes);
    if (ip === undefined || Buffer.compare(ipToBytes(ip), bytes) !== 0) t.fail(`${bytes.join(' ')} became ${ip}`);
  }
  t.equal(ipFromBytes(new Uint8Array(5)), undefined);
  t.equal(ipFromBytes(new Uint8Array(0)), undefined);
  t.equal(ipFromBytes(Buffer.from('00000000000000000000ffff7f000001', 'hex')), '127.0.0.1');
  t.end();
});

t.test('IPv6 text is the one that the URL standard writes', (t) => {
  const random = randomFrom(3);
  for (let i = 0; i < 5000; i++) {
    const bytes = Uint8Array.from({ length: 16 }, () => (random() < 0.7 ? 0 : Math.floor(random() * 256)));
    const ip = ipFromBytes(bytes);
    if (ip === undefined || ipFamily(ip) === 4) continue;
    if (new URL(`http://[${ip}]/`).hostname !== `[${ip}]`) t.fail(ip);
  }
  t.end();
});

t.test('loopback is 127.0.0.0/8 and ::1', (t) => {
  for (const text of ['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1']) {
    const ip = parseIp(text);
    t.equal(ip !== undefined && isLoopback(ip), true, text);
  }
  for (const text of ['128.0.0.1', '12.7.0.1', '::', '::2', 'fe80::1']) {
    const ip = parseIp(text);
    t.equal(ip !== undefined && isLoopback(ip), false, text);
  }
  t.end();
});

t.test('a socket address is written and read with brackets around IPv6 only', (t) => {
  for (const text of ['10.0.0.1:80', '[fd00::1]:15008', '0.0.0.0:0', '[::]:65535']) {
    const address = parseSocketAddress(text);
    t.equal(address === undefined ? undefined : formatSocketAddress(address), text);
  }
  t.same(parseSocketAddress('[::ffff:10.0.0.1]:80'), { ip: '10.0.0.1', port: 80 });
  for (const text of ['', ':80', '10.0.0.1', '10.0.0.1:', 'fd00::1:80', '[10.0.0.1]:80', '[::1]', 'a:80', '[::1:80']) {
    t.equal(parseSocketAddress(text), undefined, text);
  }
  t.end();
});

t.test('a port is a decimal number up to 65535', (t) => {
  t.equal(parsePort('0'), 0);
  t.equal(parsePort('65535'), 65535);
  for (const text of ['', '65536', '080', '+80', '-1', '8e1', ' 80', '80 ', '0x50', '99999999999']) {
    t.equal(parsePort(text), undefined, JSON.stringify(text));
  }
  t.end();
});
