// The settings of the controller: a record of texts (the environment) in, one readonly value or all problems out.
// Names and meaning are istiod's where it has the same setting; names that start with AMBIENTD_ are ours.
import { createEnvReader, type Environment, type EnvReader } from '../../common/config/env-reader.ts';
import { leastRootLifetimeMs, type RootTerms } from '../../common/identity/plan-roots.ts';
import { defaultDirectives, type LevelDirectives, parseDirectives } from '../../common/log-levels.ts';
import { parseSocketAddress, type SocketAddress } from '../../common/net/address.ts';

export interface ControllerConfig {
  /** `KUBECONFIG`: a file; undefined: the service account of the pod this runs in. */
  readonly kubeconfigPath: string | undefined;
  /** `POD_NAMESPACE`, istio-system: where the roots' Secret is, and which namespace the server names are of. */
  readonly namespace: string;
  /** `AMBIENTD_CA_SECRET`, ambientd-ca. */
  readonly secretName: string;
  /** `TRUST_DOMAIN`, cluster.local. */
  readonly trustDomain: string;
  /** `CLUSTER_DOMAIN`, cluster.local: of services' names. */
  readonly clusterDomain: string;
  /** `AMBIENTD_CA_LISTEN`, 0.0.0.0:15012: address and port of the signing service. */
  readonly listen: SocketAddress;
  /** `AMBIENTD_CA_NAMES`: host names in the server's certificate; default those of the service istiod and of ours. */
  readonly serverNames: readonly string[];
  /** `TOKEN_AUDIENCES`, istio-ca: callers' tokens are for one of these. */
  readonly audiences: readonly string[];
  /** `CA_TRUSTED_NODE_ACCOUNTS`, istio-system/ztunnel: who may ask on behalf of the pods of its node. */
  readonly trustedNodeAccounts: ReadonlySet<string>;
  /**
   * `CITADEL_SELF_SIGNED_CA_CERT_TTL` 87600h, `MAX_WORKLOAD_CERT_TTL` 24h (also for who asks for none),
   * `CITADEL_SELF_SIGNED_ROOT_CERT_GRACE_PERIOD_PERCENTILE` 20, `AMBIENTD_CA_SPREAD` 10m.
   */
  readonly rootTerms: RootTerms;
  /** `AMBIENTD_SYNC_INTERVAL`, 60s: how often everything is looked at when nothing has changed. */
  readonly syncIntervalMs: number;
  /** `AMBIENT_ENABLE_STATUS`, true: whether objects are told in their status which waypoint they have, and policies who enforces them. */
  readonly writesStatus: boolean;
  /** `AMBIENTD_STATS_PORT`, 15020. */
  readonly metricsPort: number;
  /** `AMBIENTD_READINESS_PORT`, 15021. */
  readonly readinessPort: number;
  /** `CONNECTION_TERMINATION_DEADLINE`, 5s. */
  readonly drainDeadlineMs: number;
  /** `LOG_FORMAT`, plain. */
  readonly logFormat: 'plain' | 'json';
  /** `RUST_LOG`, info. */
  readonly logDirectives: LevelDirectives;
}

export type ConfigResult =
  | { readonly kind: 'config'; readonly config: ControllerConfig }
  | { readonly kind: 'problems'; readonly problems: readonly string[] };

const hourMs = 3_600_000;

export function parseControllerConfig(env: Environment): ConfigResult {
  const read = createEnvReader(env);
  const namespace = read.text('POD_NAMESPACE', 'istio-system');
  const ports = { min: 0, max: 65_535 };
  const config: ControllerConfig = {
    kubeconfigPath: read.text('KUBECONFIG'),
    namespace,
    secretName: read.text('AMBIENTD_CA_SECRET', 'ambientd-ca'),
    trustDomain: read.text('TRUST_DOMAIN', 'cluster.local'),
    clusterDomain: read.text('CLUSTER_DOMAIN', 'cluster.local'),
    listen: readListen(read),
    serverNames: readServerNames(read, namespace),
    audiences: readWords(read, 'TOKEN_AUDIENCES', 'istio-ca'),
    trustedNodeAccounts: readAccounts(read),
    rootTerms: readRootTerms(read),
    syncIntervalMs: read.durationMs('AMBIENTD_SYNC_INTERVAL', 60_000),
    writesStatus: read.flag('AMBIENT_ENABLE_STATUS', true),
    metricsPort: read.integer('AMBIENTD_STATS_PORT', 15_020, ports),
    readinessPort: read.integer('AMBIENTD_READINESS_PORT', 15_021, ports),
    drainDeadlineMs: read.durationMs('CONNECTION_TERMINATION_DEADLINE', 5_000),
    logFormat: read.choice('LOG_FORMAT', ['plain', 'json'], 'plain'),
    logDirectives: readLogDirectives(read),
  };
  if (config.kubeconfigPath === undefined && read.text('KUBERNETES_SERVICE_HOST') === undefined) {
    read.problem('the Kubernetes API server is not known: run in a pod (KUBERNETES_SERVICE_HOST), or set KUBECONFIG');
  }
  if (config.syncIntervalMs > config.rootTerms.marginMs / 4) {
    read.problem(
      'AMBIENTD_SYNC_INTERVAL is more than a quarter of AMBIENTD_CA_SPREAD: a replica would see new roots late',
    );
  }
  return read.problems.length === 0 ? { kind: 'config', config } : { kind: 'problems', problems: read.problems };
}

function readWords(read: EnvReader, name: string, fallback: string): readonly string[] {
  const words = read.text(name, fallback).split(',');
  return words.map((word) => word.trim()).filter((word) => word !== '');
}

function readListen(read: EnvReader): SocketAddress {
  const text = read.text('AMBIENTD_CA_LISTEN', '0.0.0.0:15012');
  const address = parseSocketAddress(text);
  if (address !== undefined) return address;
  read.problem(
    `invalid env var AMBIENTD_CA_LISTEN=${text}: expected address:port, such as 0.0.0.0:15012 or [::]:15012`,
  );
  return { ip: '' as SocketAddress['ip'], port: 0 };
}

function readServerNames(read: EnvReader, namespace: string): readonly string[] {
  const domain = read.text('CLUSTER_DOMAIN', 'cluster.local');
  const names = ['istiod', 'ambientd-controller'].flatMap((service) =>
    ['', '.svc', `.svc.${domain}`].map((suffix) => `${service}.${namespace}${suffix}`),
  );
  return readWords(read, 'AMBIENTD_CA_NAMES', names.join(','));
}

function readAccounts(read: EnvReader): ReadonlySet<string> {
  const name = 'CA_TRUSTED_NODE_ACCOUNTS';
  const accounts = readWords(read, name, 'istio-system/ztunnel');
  for (const account of accounts) {
    if (!/^[^/]+\/[^/]+$/.test(account)) {
      read.problem(`invalid env var ${name}: "${account}" is no namespace/service-account`);
    }
  }
  return new Set(accounts);
}

function readRootTerms(read: EnvReader): RootTerms {
  const percent = 'CITADEL_SELF_SIGNED_ROOT_CERT_GRACE_PERIOD_PERCENTILE';
  const terms: RootTerms = {
    rootLifetimeMs: read.durationMs('CITADEL_SELF_SIGNED_CA_CERT_TTL', 87_600 * hourMs),
    workloadLifetimeMs: read.durationMs('MAX_WORKLOAD_CERT_TTL', 24 * hourMs),
    overlap: read.integer(percent, 20, { min: 1, max: 90 }) / 100,
    marginMs: read.durationMs('AMBIENTD_CA_SPREAD', 600_000),
  };
  const leastMs = leastRootLifetimeMs(terms);
  if (terms.rootLifetimeMs < leastMs) {
    read.problem(
      `CITADEL_SELF_SIGNED_CA_CERT_TTL is ${terms.rootLifetimeMs / 1000} s, too short for one root to follow another: with MAX_WORKLOAD_CERT_TTL, AMBIENTD_CA_SPREAD and ${percent} as they are it has to be at least ${Math.ceil(leastMs / 1000)} s`,
    );
  }
  return terms;
}

function readLogDirectives(read: EnvReader): LevelDirectives {
  const text = read.text('RUST_LOG', 'info');
  const parsed = parseDirectives(text);
  if (parsed.kind === 'valid') return parsed.directives;
  read.problem(`invalid env var RUST_LOG=${text}: "${parsed.directive}" is no level and no scope=level`);
  return defaultDirectives;
}
