// The DNS of one pod: its proxy, the name servers it asks, and what listens for the pod's queries. In: the settings, the mesh and
// the pod's sockets. Out: something that listens, resolves names for the explicit entry, and ends.
import type { Logger } from '../../common/log.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import { type IpAddress, ipFamily } from '../../common/net/address.ts';
import type { SocketFactory } from '../../common/net/socket-factory.ts';
import type { ZtunnelConfig } from '../config.ts';
import type { LocalWorkload } from '../connections/local-workload.ts';
import { createNameServers } from '../dns/dns-client.ts';
import type { DnsMetrics } from '../dns/dns-metrics.ts';
import { createDnsProxy } from '../dns/dns-proxy.ts';
import { type DnsServer, listenDns } from '../dns/dns-server.ts';
import type { NameAnswer } from '../socks5/resolve-name.ts';

export interface PodDnsOptions {
  readonly config: ZtunnelConfig;
  readonly mesh: MeshView;
  readonly workload: LocalWorkload;
  readonly sockets: SocketFactory;
  /** The pod's other listeners stand. */
  readonly serving: { readonly opened: Promise<void> };
  readonly telemetry: DnsTelemetry;
}

export interface DnsTelemetry {
  readonly metrics: DnsMetrics;
  readonly log: Logger;
}

export interface PodDns {
  /** @throws MeshError as `SocketFactory.listenStreams` */
  listen(): Promise<DnsServer>;
  /** As the pod's programs would find it, of the family of `beside`. @throws MeshError when nobody could say */
  find(hostname: string, beside: IpAddress): Promise<NameAnswer>;
  /** What is being asked fails. */
  close(): void;
}

/** Undefined where the DNS of pods is not captured. */
export function createPodDns(options: PodDnsOptions): PodDns | undefined {
  const { config, mesh, workload, sockets, serving, telemetry } = options;
  const { dns, clusterDomain, ipv6 } = config;
  if (dns.serving === 'off') return undefined;
  const { searchDomains, preferredNamespace, listen, nameServers: servers } = dns;
  const nameServers = createNameServers({ sockets, servers });
  const scope = { clusterDomain: clusterDomain.toLowerCase(), searchDomains, preferredNamespace, ipv6 };
  const proxy = createDnsProxy({ mesh, workload, scope, nameServers, random: Math.random, ...telemetry });
  const answer: typeof proxy.answer = async (message, transport) => {
    await serving.opened;
    return await proxy.answer(message, transport);
  };
  return {
    listen: () => listenDns({ sockets, listen, ipv6, answer }),
    async find(hostname, beside) {
      const found = await proxy.resolve(hostname, ipFamily(beside) === 4 ? 'A' : 'AAAA');
      if (found.kind === 'no-address') return found;
      const [ip] = found.addresses;
      return ip === undefined ? { kind: 'unknown' } : { kind: 'address', ip };
    },
    close: () => nameServers.close(),
  };
}
