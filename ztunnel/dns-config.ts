// The DNS proxy's settings, as Istio's ztunnel has them (ztunnel.md §2, §9): proxy metadata, a few variables and resolv.conf in, one
// value out; problems go to the reader.
import type { EnvReader } from '../common/config/env-reader.ts';
import { parsePort, parseSocketAddress, type SocketAddress } from '../common/net/address.ts';
import type { ListenAddress } from './dns/dns-server.ts';
import { parseResolvConf } from './dns/resolv-conf.ts';
import type { ProxyConfig } from './proxy-config.ts';

export interface DnsConfig {
  /** `ISTIO_META_DNS_CAPTURE` (or `DNS_CAPTURE` of proxyMetadata), true; never in explicit mode, where nothing is captured. */
  readonly serving: 'on' | 'off';
  /** `ISTIO_META_DNS_PROXY_ADDR`, `localhost:15053`: an address of the pod. */
  readonly listen: ListenAddress;
  /** Of resolv.conf; asked from the pod's network. */
  readonly nameServers: readonly SocketAddress[];
  /** Of resolv.conf in dedicated mode; undefined: those of Kubernetes for the pod's namespace. */
  readonly searchDomains: readonly string[] | undefined;
  /** `PREFERED_SERVICE_NAMESPACE` (sic): of several services with one name, after the client's own namespace and canonical ones. */
  readonly preferredNamespace: string | undefined;
}

export interface DnsSurroundings {
  readonly proxy: ProxyConfig;
  readonly mode: 'shared' | 'dedicated' | 'explicit';
  readonly addresses: 'all' | 'on-demand';
  /** Text of `resolvConfPath`, where there is one. */
  readonly resolvConf: string | undefined;
}

export const resolvConfPath = '/etc/resolv.conf';
export const dnsPort = 15_053;

export function readDns(read: EnvReader, { proxy, mode, addresses, resolvConf }: DnsSurroundings): DnsConfig {
  const capture = String(proxy.metadata['DNS_CAPTURE'] ?? true).toLowerCase();
  const serving = capture === 'true' && mode !== 'explicit' ? 'on' : 'off';
  if (serving === 'on' && addresses === 'on-demand') {
    // As Istio's: a name that istiod has not told of would look as if it were not in the mesh.
    read.problem(
      'XDS_ON_DEMAND and the DNS proxy exclude each other: set ISTIO_META_DNS_CAPTURE=false, or unset XDS_ON_DEMAND',
    );
  }
  const { nameServers, searchDomains } = parseResolvConf(resolvConf ?? '');
  return {
    serving,
    listen: readListen(read, proxy.metadata['DNS_PROXY_ADDR']),
    nameServers,
    searchDomains: mode === 'dedicated' ? searchDomains : undefined,
    preferredNamespace: read.text('PREFERED_SERVICE_NAMESPACE'),
  };
}

function readListen(read: EnvReader, value: unknown): ListenAddress {
  const usual = { kind: 'loopback', port: dnsPort } as const;
  if (value === undefined) return usual;
  const text = String(value);
  const port = text.startsWith('localhost:') ? parsePort(text.slice('localhost:'.length)) : undefined;
  if (port !== undefined && port > 0) return { kind: 'loopback', port };
  const address = parseSocketAddress(text);
  if (address !== undefined && address.port > 0) return { kind: 'address', address };
  read.problem(`DNS_PROXY_ADDR of the proxy metadata is ${text}: expected localhost:PORT or IP:PORT`);
  return usual;
}
