// What kube-proxy would do, as one nft ruleset for the mesh's root namespace: a service's cluster IP and port become a
// ready pod's, so that pods outside the mesh reach services in plain. Service targets in, text for `nft -f -` out.
import type { ServiceTarget } from '../materialize/service-endpoints.ts';

const table = 'ambientd-services';

export function serviceRules(services: readonly ServiceTarget[]): string {
  const rules = services.flatMap((service) => {
    const ip = service.clusterIp;
    if (ip === undefined || ip.includes(':')) return [];
    const served = service.ports.filter((port) => port.endpoints.length > 0);
    return served.map(({ port, protocol, endpoints }) => {
      const match = `ip daddr ${ip} ${protocol} dport ${port}`;
      const choices = endpoints.map((endpoint, index) => `${index} : ${endpoint.ip} . ${endpoint.port}`);
      return `${match} dnat ip to numgen random mod ${endpoints.length} map { ${choices.join(', ')} }`;
    });
  });
  const pods = [...new Set(services.flatMap((service) => service.pods.map((pod) => pod.ip)))];
  const hairpins = pods.map((ip) => `ip saddr ${ip} ip daddr ${ip} masquerade`);
  return [
    `table ip ${table} {}`,
    `delete table ip ${table}`,
    `table ip ${table} {`,
    ...chain('prerouting', 'type nat hook prerouting priority dstnat; policy accept;', rules),
    ...chain('postrouting', 'type nat hook postrouting priority srcnat; policy accept;', hairpins),
    '}',
    '',
  ].join('\n');
}

function chain(name: string, header: string, rules: readonly string[]): readonly string[] {
  return [`  chain ${name} {`, `    ${header}`, ...rules.map((rule) => `    ${rule}`), '  }'];
}
