import t from 'tap';
import { parseAuthority } from '../../../common/hbone/authority.ts';

t.test('an address or a hostname with a port is a target', (t) => {
  t.same(parseAuthority('10.0.0.1:80'), { kind: 'address', ip: '10.0.0.1', port: 80 });
  t.same(parseAuthority('[fd00::1]:80'), { kind: 'address', ip: 'fd00::1', port: 80 });
  t.same(parseAuthority('[::ffff:10.0.0.1]:80'), { kind: 'address', ip: '10.0.0.1', port: 80 });
  const hostname = 'web.default.svc.cluster.local';
  t.same(parseAuthority(`${hostname}:65535`), { kind: 'hostname', hostname, port: 65535 });
  t.same(parseAuthority('a:1'), { kind: 'hostname', hostname: 'a', port: 1 });
  t.end();
});

t.test('anything else is none', (t) => {
  const texts = [
    '',
    ':80',
    '10.0.0.1',
    'web',
    'web:',
    'web:0',
    '10.0.0.1:0',
    'web:65536',
    'web:http',
    'fd00::1:80',
    '10.0.0.256:80',
    '1.2.3:80',
    'web..svc:80',
    '.web:80',
    'we b:80',
    'user@web:80',
    'http://web:80',
    'web:80/path',
    `${'a'.repeat(64)}:80`,
    `${'a.'.repeat(130)}a:80`,
    '\u0000:80',
    'wéb:80',
    '10.0.0.1:080',
    '[10.0.0.1]:80',
    '[fd00::1]',
    '[fd00::1%eth0]:80',
  ];
  for (const text of texts) t.equal(parseAuthority(text), undefined, JSON.stringify(text));
  t.end();
});
