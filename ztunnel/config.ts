// The settings of the node proxy: a record of texts (the environment) in, one readonly value or all problems out.
// Names and defaults are those of Istio's ztunnel (ztunnel.md §2); names that start with AMBIENTD_ are ours.
import { createEnvReader, type Environment, type EnvReader } from '../common/config/env-reader.ts';
import { defaultDirectives, type LevelDirectives, parseDirectives } from '../common/log-levels.ts';
import type { WorkloadName } from '../common/mesh/mesh-view.ts';
import { readSeriesBounds, type SeriesBounds } from '../common/telemetry/series-bounds.ts';

export type ProxyMode =
  /** Pods of this node, handed over by the CNI agent through the ZDS socket. */
  | { readonly kind: 'shared'; readonly zdsSocketPath: string }
  /** One workload, in this process' own network namespace. */
  | { readonly kind: 'dedicated'; readonly workload: WorkloadName }
  /** Each enrolled workload of this node on its own address, entered through SOCKS5 or HTTP proxy: no capture. */
  | { readonly kind: 'explicit' };

/** A text given as it is, or a file that may change while we run. */
export type TextSource =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'file'; readonly path: string };

export interface CaConfig {
  /** `CA_ADDRESS`; default istiod inside Kubernetes, else https://localhost:15012. */
  readonly address: string;
  /** `CA_ROOT_CA`: a file where there is one of that name, `SYSTEM`, else PEM text. */
  readonly rootCa: TextSource | { readonly kind: 'system' };
  /** `ALT_CA_HOSTNAME`: a further accepted server name. */
  readonly alternativeHostname: string | undefined;
  /** `AUTH_TOKEN`: a file or the token itself; default `./var/run/secrets/tokens/istio-token` where it exists. */
  readonly token: TextSource | { readonly kind: 'none' };
  /** `SECRET_TTL`, 24h: validity asked for. */
  readonly certificateLifetimeMs: number;
  /** `CA_HEADER_<K>`: further gRPC metadata, keys in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Ports of this process itself; 0 lets the kernel pick. */
export interface ServerPorts {
  /** `AMBIENTD_ADMIN_PORT`, 15000, loopback only. */
  readonly admin: number;
  /** `AMBIENTD_STATS_PORT`, 15020. */
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
  /** `AMBIENTD_MANIFESTS`: file or folder of Kubernetes objects that fills the mesh. */
  readonly manifestsPath: string;
  readonly ca: CaConfig;
  /** `POOL_UNUSED_RELEASE_TIMEOUT`, 5m: a tunnel without connections is released after this. */
  readonly idleTunnelMs: number;
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

/** Whether there is a file of that name. */
export type FileExists = (path: string) => boolean;

const defaultToken = './var/run/secrets/tokens/istio-token';
const kubernetesCa = 'https://istiod.istio-system.svc:15012';
const localCa = 'https://localhost:15012';

export function parseZtunnelConfig(env: Environment, fileExists: FileExists): ConfigResult {
  const read = createEnvReader(env);
  const mode = readMode(read);
  const config: ZtunnelConfig = {
    mode,
    nodeName: read.text('NODE_NAME'),
    network: read.text('NETWORK', ''),
    clusterId: read.text('ISTIO_META_CLUSTER_ID') ?? read.text('CLUSTER_ID', 'Kubernetes'),
    clusterDomain: read.text('CLUSTER_DOMAIN', 'cluster.local'),
    trustDomain: read.text('TRUST_DOMAIN', 'cluster.local'),
    manifestsPath: readManifestsPath(read),
    ca: readCa(read, fileExists),
    idleTunnelMs: read.durationMs('POOL_UNUSED_RELEASE_TIMEOUT', 5 * 60_000),
    ports: readPorts(read),
    packetMark:
      read.optionalInteger('PACKET_MARK', { min: 1, max: 0xffff_ffff }) ?? (mode.kind === 'shared' ? 1337 : undefined),
    originalSource: readOriginalSource(read),
    responseBaggage: read.flag('ENABLE_RESPONSE_BAGGAGE', true),
    explicitEntry: read.flag('UNSTABLE_ENABLE_SOCKS5', false) || mode.kind === 'explicit' ? 'on' : 'off',
    tcpReportingIntervalMs: read.durationMs('TCP_REPORTING_INTERVAL', 15_000),
    series: readSeriesBounds(read),
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

function readManifestsPath(read: EnvReader): string {
  const path = read.text('AMBIENTD_MANIFESTS');
  if (path === undefined) {
    read.problem('AMBIENTD_MANIFESTS is not set: name the file or folder of Kubernetes objects that make up the mesh');
  }
  return path ?? '';
}

function readCa(read: EnvReader, fileExists: FileExists): CaConfig {
  const given = read.text('CA_ADDRESS', read.text('KUBERNETES_SERVICE_HOST') === undefined ? localCa : kubernetesCa);
  const address = given.includes('://') ? given : `https://${given}`;
  if (URL.parse(address)?.protocol !== 'https:') {
    read.problem(`invalid env var CA_ADDRESS=${given}: expected host:port or https://host:port`);
  }
  const sourceOf = (text: string): TextSource =>
    fileExists(text) ? { kind: 'file', path: text } : { kind: 'literal', text };
  const token = read.text('AUTH_TOKEN') ?? (fileExists(defaultToken) ? defaultToken : undefined);
  return {
    address,
    rootCa: readRootCa(read, fileExists),
    alternativeHostname: read.text('ALT_CA_HOSTNAME'),
    token: token === undefined ? { kind: 'none' } : sourceOf(token),
    certificateLifetimeMs: read.durationMs('SECRET_TTL', 24 * 3_600_000),
    headers: Object.fromEntries([...read.withPrefix('CA_HEADER_')].map(([key, value]) => [key.toLowerCase(), value])),
  };
}

/** A file that is not there yet may still come; only a text that begins as PEM is taken for one. */
function readRootCa(read: EnvReader, fileExists: FileExists): CaConfig['rootCa'] {
  const text = read.text('CA_ROOT_CA', './var/run/secrets/istio/root-cert.pem');
  if (text === 'SYSTEM') return { kind: 'system' };
  return text.startsWith('-----BEGIN') && !fileExists(text) ? { kind: 'literal', text } : { kind: 'file', path: text };
}

function readLogDirectives(read: EnvReader): LevelDirectives {
  const text = read.text('RUST_LOG', 'info');
  const parsed = parseDirectives(text);
  if (parsed.kind === 'valid') return parsed.directives;
  read.problem(`invalid env var RUST_LOG=${text}: "${parsed.directive}" is no level and no scope=level`);
  return defaultDirectives;
}

function readPorts(read: EnvReader): ServerPorts {
  const range = { min: 0, max: 65_535 };
  return {
    admin: read.integer('AMBIENTD_ADMIN_PORT', 15_000, range),
    metrics: read.integer('AMBIENTD_STATS_PORT', 15_020, range),
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
