// The settings of a waypoint: a record of texts (the environment) in, one readonly value or all problems out.
// Names and defaults are those of Istio's waypoint pods (istio-control.md §5); names that start with AMBIENTD_ are ours.
import { createEnvReader, type Environment, type EnvReader } from '../common/config/env-reader.ts';
import { readMaxBusyTunnels } from '../common/hbone/pool-policy.ts';
import { defaultDirectives, type LevelDirectives, parseDirectives } from '../common/log-levels.ts';
import { type IpAddress, parseIp } from '../common/net/address.ts';
import { type KubernetesAccess, readConfigurationAccess } from '../common/sources/kubernetes/kubernetes-access.ts';
import { type MeshSourceConfig, readMeshSource } from '../common/sources/mesh-source-config.ts';
import { readFailureLines } from '../common/telemetry/failure-journal.ts';
import { readSeriesBounds, type SeriesBounds } from '../common/telemetry/series-bounds.ts';
import {
  type ControlPlaneConfig,
  defaultControlPlane,
  type FileExists,
  readControlPlane,
} from '../common/tls/control-plane-config.ts';

/** Ports on which a waypoint listens; 0 lets the kernel pick. */
export interface WaypointPorts {
  /** `AMBIENTD_HBONE_PORT`, 15008. */
  readonly hbone: number;
  /** `AMBIENTD_STATS_PORT`, 15020, and `AMBIENTD_PROMETHEUS_PORT`, 15090: both serve /stats/prometheus and /metrics. */
  readonly stats: number;
  readonly prometheus: number;
  /** `AMBIENTD_READINESS_PORT`, 15021. */
  readonly readiness: number;
}

/** Where the mesh, and the resources that shape this waypoint, are read. */
export type WaypointSource =
  | Exclude<MeshSourceConfig, { kind: 'xds' | 'none' }>
  /** istiod tells who is where; `KUBECONFIG`, or the pod's account, leads to the resources. */
  | (Extract<MeshSourceConfig, { kind: 'xds' }> & { readonly access: KubernetesAccess });

export interface WaypointConfig {
  /** `GATEWAY_NAME`: the Gateway that this process serves, and the name of its Service. */
  readonly gateway: string;
  /** `POD_NAMESPACE`. */
  readonly namespace: string;
  /** `POD_NAME`. */
  readonly podName: string;
  /** `SERVICE_ACCOUNT`; default the Gateway's name, as Istio names it. */
  readonly serviceAccount: string;
  /** `INSTANCE_IP`: this pod's address. */
  readonly instanceIp: IpAddress | undefined;
  /** `own`: listen on INSTANCE_IP alone, because pods share one network namespace (`BIND_INSTANCE_IP`, or `PROXY_MODE=explicit`). */
  readonly bind: 'any' | 'own';
  /** `ISTIO_META_NODE_NAME` or `NODE_NAME`, "". */
  readonly nodeName: string;
  /** `ISTIO_META_NETWORK` or `NETWORK`, "". */
  readonly network: string;
  /** `TRUST_DOMAIN`, `CLUSTER_DOMAIN`: `cluster.local`. */
  readonly trustDomain: string;
  readonly clusterDomain: string;
  /** `CLUSTER_ID` or `ISTIO_META_CLUSTER_ID`, `Kubernetes`. */
  readonly clusterId: string;
  /** `AMBIENTD_ROOT_NAMESPACE`, `istio-system`: Telemetry there holds for the whole mesh. */
  readonly rootNamespace: string;
  readonly source: WaypointSource;
  /** `CA_ADDRESS` (default `CA_ADDR`, else istiod in its own namespace), `CA_ROOT_CA`, `AUTH_TOKEN` and their kin. */
  readonly ca: ControlPlaneConfig;
  /** `CRL_PATH`, none: a file of revocation lists (PEM, or the DER of one), read again when it changes; peers are held to them. */
  readonly crlPath: string | undefined;
  readonly ports: WaypointPorts;
  /** `ACCESS_LOG`, false: one line a request where neither a Telemetry nor the mesh config says anything of logs. */
  readonly accessLog: 'on' | 'off';
  /** `TCP_REPORTING_INTERVAL`, 15s; a Telemetry's reportingInterval wins. */
  readonly tcpReportingIntervalMs: number;
  /** Bounds of the metrics' series. */
  readonly series: SeriesBounds;
  /** `AMBIENTD_FAILURE_LINES`, 100: log lines a second for failures of one code; further ones are summed up; 0: no limit. */
  readonly failureLines: number;
  /** `AMBIENTD_POOL_MAX_BUSY_TUNNELS`, 4: tunnels to one next hop while bulk keeps new connections waiting in each; 1: no more for that. */
  readonly maxBusyTunnels: number;
  /** `PROTOCOL_DETECTION_TIMEOUT`, 5s: silence after which a connection of undeclared protocol is carried unread. */
  readonly protocolDetectionMs: number;
  /** `TERMINATION_DRAIN_DURATION`, 5s. */
  readonly drainDeadlineMs: number;
  /** `LOG_FORMAT`, plain; `RUST_LOG` or `LOG_LEVEL`, info. */
  readonly logFormat: 'plain' | 'json';
  readonly logDirectives: LevelDirectives;
  /** `ISTIO_META_ISTIO_VERSION`, unknown: the tag of `istio_build`. */
  readonly istioVersion: string;
}

export type ConfigResult =
  | { readonly kind: 'config'; readonly config: WaypointConfig }
  | { readonly kind: 'problems'; readonly problems: readonly string[] };

/** @param fileExists whether there is a file of that name */
export function parseWaypointConfig(env: Environment, fileExists: FileExists): ConfigResult {
  const read = createEnvReader(env);
  const gateway = required(read, 'GATEWAY_NAME', 'name the Gateway that this waypoint serves');
  const clusterId = read.text('ISTIO_META_CLUSTER_ID') ?? read.text('CLUSTER_ID', 'Kubernetes');
  const config: WaypointConfig = {
    gateway,
    namespace: required(read, 'POD_NAMESPACE', 'name the namespace of that Gateway'),
    podName: read.text('POD_NAME', gateway),
    serviceAccount: read.text('SERVICE_ACCOUNT', gateway),
    ...readAddress(read),
    nodeName: read.text('ISTIO_META_NODE_NAME') ?? read.text('NODE_NAME', ''),
    network: read.text('ISTIO_META_NETWORK') ?? read.text('NETWORK', ''),
    trustDomain: read.text('TRUST_DOMAIN', 'cluster.local'),
    clusterDomain: read.text('CLUSTER_DOMAIN', 'cluster.local'),
    clusterId,
    rootNamespace: read.text('AMBIENTD_ROOT_NAMESPACE', 'istio-system'),
    source: readSource(read, env, clusterId, fileExists),
    ca: readControlPlane(read, 'CA', istiodOf(read), fileExists),
    crlPath: read.text('CRL_PATH'),
    ports: readPorts(read),
    accessLog: read.flag('ACCESS_LOG', false) ? 'on' : 'off',
    tcpReportingIntervalMs: read.durationMs('TCP_REPORTING_INTERVAL', 15_000),
    series: readSeriesBounds(read),
    failureLines: readFailureLines(read),
    maxBusyTunnels: readMaxBusyTunnels(read),
    protocolDetectionMs: read.durationMs('PROTOCOL_DETECTION_TIMEOUT', 5_000),
    drainDeadlineMs: read.durationMs('TERMINATION_DRAIN_DURATION', 5_000),
    logFormat: read.choice('LOG_FORMAT', ['plain', 'json'], 'plain'),
    logDirectives: readDirectives(read),
    istioVersion: read.text('ISTIO_META_ISTIO_VERSION', 'unknown'),
  };
  return read.problems.length === 0 ? { kind: 'config', config } : { kind: 'problems', problems: read.problems };
}

function required(read: EnvReader, name: string, remedy: string): string {
  const text = read.text(name);
  if (text === undefined) read.problem(`${name} is not set: ${remedy}`);
  return text ?? '';
}

/** `CA_ADDR` is how Istio's own template of a waypoint names it. */
function istiodOf(read: EnvReader): string {
  return read.text('CA_ADDR') ?? defaultControlPlane(read);
}

function readSource(read: EnvReader, env: Environment, clusterId: string, fileExists: FileExists): WaypointSource {
  const source = readMeshSource(read, env, {
    proxyType: 'waypoint',
    discovery: { address: istiodOf(read), setBy: undefined },
    metadata: {
      ...Object.fromEntries(read.withPrefix('ISTIO_META_')),
      CLUSTER_ID: clusterId,
      SERVICE_ACCOUNT: read.text('SERVICE_ACCOUNT') ?? read.text('GATEWAY_NAME', ''),
    },
    fileExists,
  });
  if (source.kind === 'none') {
    read.problem(
      'XDS_ADDRESS is empty, and neither AMBIENTD_MANIFESTS nor AMBIENTD_SOURCE is set: nothing tells of the mesh',
    );
    return { kind: 'manifests', path: '' };
  }
  return source.kind === 'xds' ? { ...source, access: readConfigurationAccess(read) } : source;
}

function readAddress(read: EnvReader): Pick<WaypointConfig, 'instanceIp' | 'bind'> {
  const text = read.text('INSTANCE_IP');
  const instanceIp = text === undefined ? undefined : parseIp(text);
  if (text !== undefined && instanceIp === undefined)
    read.problem(`invalid env var INSTANCE_IP=${text}: expected an IP address`);
  const mode = read.choice('PROXY_MODE', ['shared', 'dedicated', 'explicit'], 'shared');
  const bind = read.flag('BIND_INSTANCE_IP', false) || mode === 'explicit' ? 'own' : 'any';
  if (bind === 'own' && text === undefined) {
    read.problem('INSTANCE_IP is not set: pods that share a network namespace each need their own address');
  }
  return { instanceIp, bind };
}

function readPorts(read: EnvReader): WaypointPorts {
  const range = { min: 0, max: 65_535 };
  return {
    hbone: read.integer('AMBIENTD_HBONE_PORT', 15_008, range),
    stats: read.integer('AMBIENTD_STATS_PORT', 15_020, range),
    prometheus: read.integer('AMBIENTD_PROMETHEUS_PORT', 15_090, range),
    readiness: read.integer('AMBIENTD_READINESS_PORT', 15_021, range),
  };
}

function readDirectives(read: EnvReader): LevelDirectives {
  const name = read.text('RUST_LOG') === undefined ? 'LOG_LEVEL' : 'RUST_LOG';
  const text = read.text(name, 'info');
  const parsed = parseDirectives(text);
  if (parsed.kind === 'valid') return parsed.directives;
  read.problem(`invalid env var ${name}=${text}: "${parsed.directive}" is no level and no scope=level`);
  return defaultDirectives;
}
