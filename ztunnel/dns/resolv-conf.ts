// resolv.conf(5), as far as it is heeded: text in, name servers and search domains out. Lines that are not understood are left out.
import { parseIp, type SocketAddress } from '../../common/net/address.ts';

export interface ResolvConf {
  /** In order of preference; at most three, as the C library has it. */
  readonly nameServers: readonly SocketAddress[];
  /** Lower case, without a final dot. */
  readonly searchDomains: readonly string[];
}

const maxNameServers = 3;
const maxSearchDomains = 32;

export function parseResolvConf(text: string): ResolvConf {
  const nameServers: SocketAddress[] = [];
  let searchDomains: readonly string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    const ip = keyword === 'nameserver' ? parseIp(words[0] ?? '') : undefined;
    if (ip !== undefined) nameServers.push({ ip, port: 53 });
    // The last of them counts.
    if (keyword === 'search') searchDomains = words;
    if (keyword === 'domain') searchDomains = words.slice(0, 1);
  }
  const domains = searchDomains.map((domain) => domain.toLowerCase().replace(/\.$/, '')).filter((name) => name !== '');
  return {
    nameServers: nameServers.slice(0, maxNameServers),
    searchDomains: domains.slice(0, maxSearchDomains),
  };
}
