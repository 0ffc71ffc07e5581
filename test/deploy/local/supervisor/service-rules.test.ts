// The stand-in for kube-proxy, as text for nft.
import t from 'tap';
import { serviceRules } from '../../../../deploy/local/supervisor/service-rules.ts';

t.test('cluster IPs become pods by chance, hairpins are masqueraded, ports without pods have no rule', async (t) => {
  const endpoints = [
    { ip: '10.244.0.2', port: 8080 },
    { ip: '10.244.0.3', port: 8080 },
  ];
  const ports = [
    { port: 80, protocol: 'tcp', endpoints },
    { port: 81, protocol: 'tcp', endpoints: [] },
  ] as const;
  const pods = endpoints.map(({ ip }) => ({ name: ip, ip }));
  const text = serviceRules([
    { namespace: 'a', name: 'b', clusterIp: '10.96.0.1', ports, pods },
    { namespace: 'a', name: 'c', clusterIp: undefined, ports, pods },
  ]);
  t.equal(
    text,
    `table ip ambientd-services {}
delete table ip ambientd-services
table ip ambientd-services {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr 10.96.0.1 tcp dport 80 dnat ip to numgen random mod 2 map { 0 : 10.244.0.2 . 8080, 1 : 10.244.0.3 . 8080 }
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 10.244.0.2 ip daddr 10.244.0.2 masquerade
    ip saddr 10.244.0.3 ip daddr 10.244.0.3 masquerade
  }
}
`,
  );
});
