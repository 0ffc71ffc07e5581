import t from 'tap';
import { parseResolvConf } from '../../../ztunnel/dns/resolv-conf.ts';

t.test('what Kubernetes writes into a pod', async (t) => {
  const text =
    'search ns1.svc.cluster.local svc.cluster.local Cluster.Local.\nnameserver 10.96.0.10\noptions ndots:5\n';
  t.same(parseResolvConf(text), {
    nameServers: [{ ip: '10.96.0.10', port: 53 }],
    searchDomains: ['ns1.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
  });
});

t.test('comments, blanks, unknown and bad lines are left out', async (t) => {
  const text =
    '# nameserver 1.1.1.1\n  nameserver\t10.0.0.1 # ours\nnameserver fe80::1%eth0\nnameserver\nwhatever\nnameserver fd00::1;x';
  t.same(parseResolvConf(text).nameServers, [
    { ip: '10.0.0.1', port: 53 },
    { ip: 'fd00::1', port: 53 },
  ]);
});

t.test('the last of search and domain counts, and three name servers do', async (t) => {
  const text = 'search a b\ndomain c d\nnameserver 1.0.0.1\nnameserver 1.0.0.2\nnameserver 1.0.0.3\nnameserver 1.0.0.4';
  const { nameServers, searchDomains } = parseResolvConf(text);
  t.same(searchDomains, ['c']);
  t.same(
    nameServers.map(({ ip }) => ip),
    ['1.0.0.1', '1.0.0.2', '1.0.0.3'],
  );
});

t.test('a file that says nothing, and one that is none', async (t) => {
  for (const text of ['', '\n\n', '\0\xff'.repeat(1000)]) {
    t.same(parseResolvConf(text), { nameServers: [], searchDomains: [] });
  }
});
