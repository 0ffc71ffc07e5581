// ztunnel's settings as /config_dump shows them: under the names and in the forms of Istio's ztunnel what both have
// (ztunnel.md §2, §12), under `ambientd` what only ours has. Secrets are left out. Pure: configuration in, JSON value out.
import type { Json } from '../common/admin/sorted-json.ts';
import { writeDirectives } from '../common/log-levels.ts';
import { formatSocketAddress } from '../common/net/address.ts';
import { keepAlive } from '../common/net/tcp-connect-socket.ts';
import type { MeshSourceConfig } from '../common/sources/mesh-source-config.ts';
import type { TextSource } from '../common/tls/control-plane-client.ts';
import type { ControlPlaneConfig } from '../common/tls/control-plane-config.ts';
import type { ZtunnelConfig } from './config.ts';
import { illegalPorts } from './illegal-ports.ts';
import { podPorts } from './inpod/pod-proxy.ts';
import type { LocalMeshConfig } from './source-config.ts';

export function dumpSettings(config: ZtunnelConfig): Json {
  const both = { ...dumpOfBoth(config), ...dumpPorts(config), ...dumpDns(config), ...dumpControlPlanes(config) };
  return { ...both, ambientd: dumpOwn(config) };
}

function dumpOfBoth(config: ZtunnelConfig) {
  const { mode } = config;
  return {
    proxy: true,
    proxyMode: { shared: 'Shared', dedicated: 'Dedicated', explicit: 'Explicit' }[mode.kind],
    proxyWorkloadInformation: mode.kind === 'dedicated' ? { ...mode.workload } : null,
    ...(mode.kind === 'shared' && { inpodUds: mode.zdsSocketPath }),
    packetMark: config.packetMark ?? null,
    localNode: config.nodeName ?? null,
    network: config.network,
    clusterId: config.clusterId,
    clusterDomain: config.clusterDomain,
    requireOriginalSource: { required: true, never: false, 'if-possible': null }[config.originalSource],
    enableEnhancedBaggage: config.responseBaggage,
    windowSize: config.tunnel.flow.streamWindowBytes,
    connectionWindowSize: config.tunnel.flow.connectionWindowBytes,
    frameSize: config.tunnel.flow.maxFrameBytes,
    poolMaxStreamsPerConn: config.tunnel.maxStreamsPerTunnel,
    poolUnusedReleaseTimeout: duration(config.idleTunnelMs),
    numWorkerThreads: config.workerThreads,
    selfTerminationDeadline: duration(config.drainDeadlineMs),
    socketConfig: {
      keepaliveEnabled: true,
      keepaliveTime: duration(keepAlive.idleMs),
      keepaliveInterval: duration(keepAlive.intervalMs),
      keepaliveRetries: keepAlive.probes,
      userTimeoutEnabled: false,
    },
  };
}

function dumpPorts({ explicitEntry, mode, ports }: ZtunnelConfig) {
  // As in node-servers.ts: where pods are addresses of one machine, nothing listens for others.
  const serving = (port: number) =>
    mode.kind === 'explicit' ? { Localhost: [true, port] } : { SocketAddr: `[::]:${port}` };
  const socks5 = explicitEntry === 'on' ? podPorts.socks5 : undefined;
  return {
    adminAddr: { Localhost: [true, ports.admin] },
    statsAddr: serving(ports.metrics),
    readinessAddr: serving(ports.readiness),
    inboundAddr: `[::]:${podPorts.inbound}`,
    inboundPlaintextAddr: `[::]:${podPorts.inboundPlaintext}`,
    outboundAddr: `[::]:${podPorts.outbound}`,
    socks5Addr: socks5 === undefined ? null : `127.0.0.1:${socks5}`,
    illegalPorts: [...illegalPorts({ ...podPorts, socks5 })],
  };
}

function dumpDns({ dns, ipv6 }: ZtunnelConfig) {
  const { serving, listen, preferredNamespace } = dns;
  const address = listen.kind === 'loopback' ? [true, listen.port] : formatSocketAddress(listen.address);
  return {
    dnsProxy: serving === 'on',
    dnsProxyAddr: { [listen.kind === 'loopback' ? 'Localhost' : 'SocketAddr']: address },
    preferedServiceNamespace: preferredNamespace ?? null,
    ipv6Enabled: ipv6 === 'on',
  };
}

function dumpControlPlanes({ ca, crlPath, source, addresses }: ZtunnelConfig) {
  return {
    ...dumpControlPlane('ca', ca),
    secretTtl: duration(ca.certificateLifetimeMs),
    crlPath: crlPath ?? null,
    ...(source.kind === 'xds' && {
      ...dumpControlPlane('xds', source.xds),
      xdsOnDemand: addresses === 'on-demand',
      proxyMetadata: texts(source.xds.node.metadata),
    }),
  };
}

/** Of headers, which may carry credentials, only the names. */
function dumpControlPlane(kind: 'ca' | 'xds', plane: ControlPlaneConfig) {
  const { address, alternativeHostname, headers, rootCa } = plane;
  const root = rootCa.kind === 'file' ? { File: rootCa.path } : { system: 'Default', literal: 'Static' }[rootCa.kind];
  return {
    [`${kind}Address`]: address,
    [`${kind}Headers`]: Object.keys(headers),
    [`${kind}RootCert`]: root,
    [`alt${kind === 'ca' ? 'Ca' : 'Xds'}Hostname`]: alternativeHostname ?? null,
  };
}

/** One by one: a setting that is a secret is not shown because nobody thought of it. */
function dumpOwn(config: ZtunnelConfig): Json {
  const { trustDomain, addresses, tcpReportingIntervalMs, failureLines, workerThreads, logFormat, istioVersion } =
    config;
  return {
    ...{ trustDomain, addresses, tcpReportingIntervalMs, failureLines, workerThreads, logFormat, istioVersion },
    poolMaxBusyTunnels: config.tunnel.maxBusyTunnels,
    source: dumpSource(config.source),
    nameServers: config.dns.nameServers.map(({ ip }) => ip),
    searchDomains: config.dns.searchDomains === undefined ? null : [...config.dns.searchDomains],
    localMesh: dumpText(config.localMesh),
    token: dumpText(config.ca.token),
    logDirectives: writeDirectives(config.logDirectives),
    series: { ...config.series },
  };
}

function dumpSource(source: MeshSourceConfig): Json {
  switch (source.kind) {
    case 'xds':
      return { kind: source.kind, token: dumpText(source.xds.token) };
    case 'kubernetes':
      return { kind: source.kind, access: { ...source.access } };
    default:
      return { ...source };
  }
}

function dumpText(source: LocalMeshConfig | TextSource | { readonly kind: 'none' }): Json {
  return source.kind === 'literal' ? { kind: source.kind } : { ...source };
}

/** Without the cluster, which is a setting of its own. */
function texts(metadata: Readonly<Record<string, unknown>>): Json {
  const entries = Object.entries(metadata).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return Object.fromEntries(entries.filter(([name]) => name !== 'CLUSTER_ID'));
}

/** As Rust's are written. */
function duration(milliseconds: number): Json {
  return { secs: Math.trunc(milliseconds / 1000), nanos: (milliseconds % 1000) * 1_000_000 };
}
