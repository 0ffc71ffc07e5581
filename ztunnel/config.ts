// The settings of the node proxy: a record of texts (the environment) in, one readonly value or all problems out.
// Names and defaults are those of Istio's ztunnel (ztunnel.md §2); names that start with AMBIENTD_ are ours.
import { createEnvReader, type Environment, type EnvReader } from '../common/config/env-reader.ts';
import { defaultDirectives, type LevelDirectives, parseDirectives } from '../common/log-levels.ts';
import type { WorkloadName } from '../common/mesh/mesh-view.ts';
import type { MeshSourceConfig } from '../common/sources/mesh-source-config.ts';
import { readFailureLines } from '../common/telemetry/failure-journal.ts';
import { readSeriesBounds, type SeriesBounds } from '../common/telemetry/series-bounds.ts';
import {
  type ControlPlaneConfig,
  defaultControlPlane,
  type FileExists,
  readControlPlane,
} from '../common/tls/control-plane-config.ts';
import { type DnsConfig, readDns } from './dns-config.ts';
import { type ProxyConfig, readProxyConfig } from './proxy-config.ts';
import { type LocalMeshConfig, readLocalMesh, readSource } from './source-config.ts';
import { readTunnel, type TunnelConfig } from './tunnel-config.ts';
import { readWorkerThreads } from './worker-threads.ts';

export type ProxyMode =
  /** Pods of this node, handed over by the CNI agent through the ZDS socket. */
  | { readonly kind: 'shared'; readonly zdsSocketPath: string }
  /** One workload, in this process' own network namespace. */
  | { readonly kind: 'dedicated'; readonly workload: WorkloadName }
  /** Each enrolled workload of this node on its own address, entered through SOCKS5 or HTTP proxy: no capture. */
  | { readonly kind: 'explicit' };

export interface CaConfig extends ControlPlaneConfig {
  /** `SECRET_TTL`, 24h: validity asked for. */
  readonly certificateLifetimeMs: number;
}

/** Ports of this process itself; 0 lets the kernel pick. */
export interface ServerPorts {
  /** `AMBIENTD_ADMIN_PORT`, else `proxyAdminPort` of PROXY_CONFIG, 15000; loopback only. */
  readonly admin: number;
  /** `AMBIENTD_STATS_PORT`, else `statsPort` of PROXY_CONFIG, 15020. */
  readonly metrics: number;
  /** `AMBIENTD_READINESS_PORT`, 15021. */
  readonly readiness: number;
}

export interface ZtunnelConfig {
  /** `PROXY_MODE` (shared, dedicated, explicit), `INPOD_UDS`, `PROXY_WORKLOAD_INFO` (namespace/name/service-account). */
  readonly mode: ProxyMode;
  /** `NODE_NAME`: only workloads of this node are local; undefined: of any. */
  readonly nodeName: string | undefined;
  /** `NETWORK`, "": the network of this node. */
  readonly network: string;
  /** `CLUSTER_ID` or `ISTIO_META_CLUSTER_ID` (which wins), `Kubernetes`. */
  readonly clusterId: string;
  /** `CLUSTER_DOMAIN`, `cluster.local`. */
  readonly clusterDomain: string;
  /** `TRUST_DOMAIN`, `cluster.local`: of workloads, unless the mesh's own configuration names another. */
  readonly trustDomain: string;
  readonly source: MeshSourceConfig;
  /** `XDS_ON_DEMAND`, false: istiod tells of workloads and services when a connection needs them, and of this node's own. */
  readonly addresses: 'all' | 'on-demand';
  readonly localMesh: LocalMeshConfig;
  readonly dns: DnsConfig;
  /** `IPV6_ENABLED`, true; false: nothing listens on IPv6 in pods, and names have no such addresses. */
  readonly ipv6: 'on' | 'off';
  readonly ca: CaConfig;
  /** `CRL_PATH`, none: a file of revocation lists (PEM, or the DER of one), read again when it changes; peers are held to them. */
  readonly crlPath: string | undefined;
  /** `POOL_UNUSED_RELEASE_TIMEOUT`, 5m: a tunnel without connections is released after this. */
  readonly idleTunnelMs: number;
  readonly tunnel: TunnelConfig;
  readonly ports: ServerPorts;
  /** `PACKET_MARK`, 1337 in shared mode, else none: SO_MARK of every proxy socket. */
  readonly packetMark: number | undefined;
  /** `ENABLE_ORIG_SRC`: whether upstream connections keep the source address; unset: where the kernel lets us. */
  readonly originalSource: 'required' | 'never' | 'if-possible';
  /** `ENABLE_RESPONSE_BAGGAGE`, true: answer with our baggage, and use the peer's for metrics. */
  readonly responseBaggage: boolean;
  /** `UNSTABLE_ENABLE_SOCKS5`, false; always on in explicit mode: the entry on 15080. */
  readonly explicitEntry: 'off' | 'on';
  /** `TCP_REPORTING_INTERVAL`, 15s: between two reports of a living connection's bytes; 0: at its end only. */
  readonly tcpReportingIntervalMs: number;
  /** Bounds of the metrics' series. */
  readonly series: SeriesBounds;
  /** `AMBIENTD_FAILURE_LINES`, 100: log lines a second for failures of one code in one direction; further ones are summed up; 0: no limit. */
  readonly failureLines: number;
  /**
   * `ZTUNNEL_WORKER_THREADS`, else `concurrency` of PROXY_CONFIG, 1: threads that carry connections, as a number (0: one for each
   * processor) or a part of the processors (`50%`); `ZTUNNEL_CPU_LIMIT`, those there are: how many processors that means. One thread
   * is the main thread; several are workers, and the main thread carries nothing.
   */
  readonly workerThreads: number;
  /** `CONNECTION_TERMINATION_DEADLINE`, else from `TERMINATION_GRACE_PERIOD_SECONDS`, else 5s. */
  readonly drainDeadlineMs: number;
  /** `LOG_FORMAT`, plain. */
  readonly logFormat: 'plain' | 'json';
  /** `RUST_LOG`, info: levels by scope, e.g. `error,access=debug`. */
  readonly logDirectives: LevelDirectives;
  /** `ISTIO_META_ISTIO_VERSION`, unknown: the tag of `istio_build`. */
  readonly istioVersion: string;
}

export type ConfigResult =
  | { readonly kind: 'config'; readonly config: ZtunnelConfig }
  | { readonly kind: 'problems'; readonly problems: readonly string[] };

/** Where Istio mounts the mesh config. */
export const meshConfigPath = './etc/istio/config/mesh';

export interface Machine {
  /** Text of `meshConfigPath`, where there is such a file. */
  readonly meshConfig?: string | undefined;
  /** Text of `resolvConfPath`, where there is such a file. */
  readonly resolvConf?: string | undefined;
  /** That this process may use. Default 1. */
  readonly processors?: number;
}

export function parseZtunnelConfig(
  env: Environment,
  fileExists: FileExists,
  { meshConfig, resolvConf, processors = 1 }: Machine = {},
): ConfigResult {
  const read = createEnvReader(env);
  const mode = readMode(read);
  const proxy = readProxyConfig(read, meshConfig);
  const clusterId = read.text('ISTIO_META_CLUSTER_ID') ?? read.text('CLUSTER_ID', 'Kubernetes');
  const source = readSource(read, env, { proxy, clusterId, fileExists });
  const addresses = read.flag('XDS_ON_DEMAND', false) ? 'on-demand' : 'all';
  const config: ZtunnelConfig = {
    mode,
    nodeName: read.text('NODE_NAME'),
    network: read.text('NETWORK', ''),
    clusterId,
    clusterDomain: read.text('CLUSTER_DOMAIN', 'cluster.local'),
    trustDomain: read.text('TRUST_DOMAIN', 'cluster.local'),
    source,
    addresses,
    localMesh: readLocalMesh(read, source),
    dns: readDns(read, { proxy, mode: mode.kind, addresses, resolvConf }),
    ipv6: read.flag('IPV6_ENABLED', true) ? 'on' : 'off',
    ca: {
      ...readControlPlane(read, 'CA', defaultControlPlane(read), fileExists),
      certificateLifetimeMs: read.durationMs('SECRET_TTL', 24 * 3_600_000),
    },
    crlPath: read.text('CRL_PATH'),
    idleTunnelMs: read.durationMs('POOL_UNUSED_RELEASE_TIMEOUT', 5 * 60_000),
    tunnel: readTunnel(read),
    ports: readPorts(read, proxy),
    packetMark:
      read.optionalInteger('PACKET_MARK', { min: 1, max: 0xffff_ffff }) ?? (mode.kind === 'shared' ? 1337 : undefined),
    originalSource: readOriginalSource(read),
    responseBaggage: read.flag('ENABLE_RESPONSE_BAGGAGE', true),
    explicitEntry: read.flag('UNSTABLE_ENABLE_SOCKS5', false) || mode.kind === 'explicit' ? 'on' : 'off',
    tcpReportingIntervalMs: read.durationMs('TCP_REPORTING_INTERVAL', 15_000),
    series: readSeriesBounds(read),
    failureLines: readFailureLines(read),
    workerThreads: readWorkerThreads(read, proxy.concurrency, processors),
    drainDeadlineMs: readDrainDeadlineMs(read),
    logFormat: read.choice('LOG_FORMAT', ['plain', 'json'], 'plain'),
    logDirectives: readLogDirectives(read),
    istioVersion: read.text('ISTIO_META_ISTIO_VERSION', 'unknown'),
  };
  return read.problems.length === 0 ? { kind: 'config', config } : { kind: 'problems', problems: read.problems };
}

function readMode(read: EnvReader): ProxyMode {
  const kind = read.choice('PROXY_MODE', ['shared', 'dedicated', 'explicit'], 'shared');
  if (kind === 'explicit') return { kind };
  if (kind === 'shared') return { kind, zdsSocketPath: read.text('INPOD_UDS', '/var/run/ztunnel/ztunnel.sock') };
  const info = read.text('PROXY_WORKLOAD_INFO', '');
  const [namespace, name, serviceAccount, ...more] = info.split('/');
  if (!namespace || !name || !serviceAccount || more.length > 0) {
    read.problem(
      `invalid env var PROXY_WORKLOAD_INFO=${info}: dedicated mode needs it as namespace/name/service-account`,
    );
  }
  return {
    kind,
    workload: { namespace: namespace ?? '', name: name ?? '', serviceAccount: serviceAccount ?? '' },
  };
}

function readLogDirectives(read: EnvReader): LevelDirectives {
  const text = read.text('RUST_LOG', 'info');
  const parsed = parseDirectives(text);
  if (parsed.kind === 'valid') return parsed.directives;
  read.problem(`invalid env var RUST_LOG=${text}: "${parsed.directive}" is no level and no scope=level`);
  return defaultDirectives;
}

function readPorts(read: EnvReader, { proxyAdminPort, statsPort }: ProxyConfig): ServerPorts {
  const range = { min: 0, max: 65_535 };
  return {
    admin: read.integer('AMBIENTD_ADMIN_PORT', proxyAdminPort ?? 15_000, range),
    metrics: read.integer('AMBIENTD_STATS_PORT', statsPort ?? 15_020, range),
    readiness: read.integer('AMBIENTD_READINESS_PORT', 15_021, range),
  };
}

function readOriginalSource(read: EnvReader): ZtunnelConfig['originalSource'] {
  const wanted = read.optionalFlag('ENABLE_ORIG_SRC');
  if (wanted === undefined) return 'if-possible';
  return wanted ? 'required' : 'never';
}

/** Leaves some of the pod's grace period for exiting itself. */
function readDrainDeadlineMs(read: EnvReader): number {
  const explicit = read.optionalDurationMs('CONNECTION_TERMINATION_DEADLINE');
  const graceSeconds = read.optionalInteger('TERMINATION_GRACE_PERIOD_SECONDS', { min: 0, max: 86_400 });
  if (explicit !== undefined) return explicit;
  if (graceSeconds === undefined) return 5_000;
  return Math.max(1, graceSeconds > 10 ? graceSeconds - 5 : graceSeconds - 1) * 1_000;
}
