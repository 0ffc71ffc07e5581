import t from 'tap';
import {
  defaultRedirect,
  isInterfaceName,
  redirectRemoval,
  redirectRoutes,
  redirectRoutesRemoval,
  redirectRuleset,
} from '../../../ztunnel/capture/redirect-rules.ts';

/** Rules of one chain, in their order. */
function chain(ruleset: string, table: string, name: string): string[] {
  const text = ruleset.split(`table inet istio-ambient-${table} {`)[1]?.split('\n}\n')[0] ?? '';
  const body = text.split(`chain ${name} {`)[1]?.split('\n  }')[0] ?? '';
  return body
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

t.test('an enrolled pod', async (t) => {
  const rules = redirectRuleset();
  t.same(
    chain(rules, 'nat', 'istio-prerouting'),
    [
      'meta l4proto tcp ip saddr 169.254.7.127 counter accept',
      'meta l4proto tcp ip6 saddr fd16:9254:7127:1337:ffff:ffff:ffff:ffff counter accept',
      'ip daddr != 127.0.0.1/32 tcp dport != 15008 meta mark & 0xfff != 0x539 counter redirect to :15006',
      'ip6 daddr != ::1/128 tcp dport != 15008 meta mark & 0xfff != 0x539 counter redirect to :15006',
    ],
    'lets probes through and sends what comes in to 15006, but for HBONE and our own',
  );
  t.same(
    chain(rules, 'nat', 'istio-output'),
    [
      'meta l4proto tcp ip daddr 169.254.7.127 counter accept',
      'meta l4proto tcp ip6 daddr fd16:9254:7127:1337:ffff:ffff:ffff:ffff counter accept',
      'meta l4proto tcp meta mark & 0xfff == 0x111 counter accept',
      'ip daddr != 127.0.0.1/32 oifname "lo" counter accept',
      'ip6 daddr != ::1/128 oifname "lo" counter accept',
      'ip daddr != 127.0.0.1/32 meta l4proto tcp meta mark & 0xfff != 0x539 counter redirect to :15001',
      'ip6 daddr != ::1/128 meta l4proto tcp meta mark & 0xfff != 0x539 counter redirect to :15001',
    ],
    'sends what goes out to 15001, but for our own and what stays in the pod',
  );
  t.same(chain(rules, 'mangle', 'istio-prerouting'), [
    'meta mark & 0xfff == 0x539 counter ct mark set ct mark & 0xfffff000 | 0x111',
  ]);
  t.same(chain(rules, 'mangle', 'istio-output'), ['ct mark & 0xfff == 0x111 counter meta mark set ct mark']);
  t.match(rules, 'type route hook output priority -150', 'looks the route up again after the mark has changed');
  t.notMatch(rules, 'istio-ambient-raw');
  t.notMatch(rules, '15053', 'keeps its DNS');
});

t.test('in ingress mode nothing inbound is captured, outbound is', async (t) => {
  const rules = redirectRuleset({ ...defaultRedirect, inbound: 'bypass' });
  t.same(chain(rules, 'nat', 'istio-prerouting'), []);
  t.equal(chain(rules, 'nat', 'istio-output').length, 7);
});

t.test('with DNS capture, queries go to 15053 and ours are tracked apart', async (t) => {
  const rules = redirectRuleset({ ...defaultRedirect, dns: 'capture' });
  t.same(chain(rules, 'nat', 'istio-output').slice(2, 5), [
    'oifname != "lo" meta mark & 0xfff != 0x539 udp dport 53 counter redirect to :15053',
    'ip daddr != 127.0.0.1/32 tcp dport 53 meta mark & 0xfff != 0x539 counter redirect to :15053',
    'ip6 daddr != ::1/128 tcp dport 53 meta mark & 0xfff != 0x539 counter redirect to :15053',
  ]);
  t.same(chain(rules, 'raw', 'istio-output'), ['udp dport 53 meta mark & 0xfff == 0x539 counter ct zone set 1']);
  t.same(chain(rules, 'raw', 'istio-prerouting'), ['udp sport 53 meta mark & 0xfff != 0x539 counter ct zone set 1']);
});

t.test('what virtual machines send comes first', async (t) => {
  const rules = redirectRuleset({ ...defaultRedirect, virtualInterfaces: ['tap0', 'k6t-net1'] });
  t.same(chain(rules, 'nat', 'istio-prerouting').slice(0, 4), [
    'iifname "tap0" meta l4proto tcp counter redirect to :15001',
    'iifname "tap0" meta l4proto tcp counter return',
    'iifname "k6t-net1" meta l4proto tcp counter redirect to :15001',
    'iifname "k6t-net1" meta l4proto tcp counter return',
  ]);
});

t.test('an annotation cannot smuggle rules in by an interface name', async (t) => {
  for (const name of ['', 'x'.repeat(16), 'a b', 'a"b', 'a\nb', 'a;b', 'a/b']) {
    t.equal(isInterfaceName(name), false);
    t.throws(() => redirectRuleset({ ...defaultRedirect, virtualInterfaces: [name] }), RangeError);
  }
});

t.test('routes, and their removal', async (t) => {
  const rule = ['fwmark', '0x111/0xfff', 'pref', '32764', 'lookup', '100'];
  t.same(redirectRoutes(), [
    ['ip', '-4', 'rule', 'add', ...rule],
    ['ip', '-4', 'route', 'replace', 'local', '0.0.0.0/0', 'dev', 'lo', 'table', '100'],
    ['ip', '-6', 'rule', 'add', ...rule],
    ['ip', '-6', 'route', 'replace', 'local', '::/0', 'dev', 'lo', 'table', '100'],
  ]);
  t.equal(redirectRoutes({ ipv6: 'off' }).length, 2);
  t.same(redirectRoutesRemoval({ ipv6: 'off' }), [
    ['ip', '-4', 'rule', 'del', ...rule],
    ['ip', '-4', 'route', 'flush', 'table', '100'],
  ]);
  t.equal(redirectRemoval().match(/delete table inet/g)?.length, 3);
});
