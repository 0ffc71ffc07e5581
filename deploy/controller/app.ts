// The mesh's own CA in a cluster without istiod: roots in a Secret, the trust bundle in each namespace, a signing service
// that speaks Istio's CreateCertificate; and the addresses of waypoints, and what objects are told in their status. Any number of
// replicas may run; none of them leads.
import type { KubeConfig } from '@kubernetes/client-node';
import { createReadiness } from '../../common/admin/readiness.ts';
import { type CaServer, createCaServer } from '../../common/ca/ca-server.ts';
import { createTokenAuthorizer } from '../../common/ca/token-authorizer.ts';
import { trustBundle } from '../../common/identity/root-set.ts';
import type { Runnable } from '../../common/lifecycle.ts';
import type { Logging } from '../../common/logger.ts';
import { defaultMeshSettings } from '../../common/sources/derive/mesh-settings.ts';
import { createMetricsRegistry } from '../../common/telemetry/metrics-registry.ts';
import type { Recorder } from '../../common/telemetry/recorder.ts';
import { bundleName, keepBundles } from './bundle-keeper.ts';
import { createClusterClient, gatewayNameLabel } from './cluster-client.ts';
import { createClusterWatcher, type WatchedPath } from './cluster-watcher.ts';
import { createStatusKeeper } from './conditions/status-keeper.ts';
import type { ControllerConfig } from './config.ts';
import { createControllerMetrics } from './controller-metrics.ts';
import { createControllerServers } from './controller-servers.ts';
import { keepGateways } from './gateway-keeper.ts';
import { createRootKeeper } from './root-keeper.ts';
import { createSigningAuthority } from './signing-authority.ts';
import { createSyncLoop } from './sync-loop.ts';

export interface ControllerOptions {
  readonly config: ControllerConfig;
  readonly kubeConfig: KubeConfig;
  readonly logging: Logging;
}

export interface Controller extends Runnable {
  /** What they got, once started. */
  readonly ports: { readonly metrics: number; readonly readiness: number; readonly ca: number };
}

const caTask = 'certificate authority';
const now = Date.now;
/** Namespaces and Gateways that could not be written are tried again after this. */
const retryMs = 5_000;

export function createController({ config, kubeConfig, logging }: ControllerOptions): Controller {
  const { namespace, secretName, trustDomain, rootTerms, audiences, trustedNodeAccounts } = config;
  const log = logging.logger('ca');
  const readiness = createReadiness([caTask]);
  const registry = createMetricsRegistry();
  const metrics = createControllerMetrics(registry.recorder);
  const cluster = createClusterClient(kubeConfig);
  const secret = { namespace, name: secretName };
  const roots = createRootKeeper({ store: cluster, secret, terms: rootTerms, trustDomain, now, log });
  const { workloadLifetimeMs: lifetimeMs, marginMs } = rootTerms;
  // Half of what the plan allows for a root to reach every replica.
  const maxAgeMs = marginMs / 2;
  const authority = createSigningAuthority({ trustDomain, lifetimeMs, maxAgeMs, serverNames: config.serverNames, now });
  const rules = { trustDomain, trustedNodeAccounts };
  const authorize = createTokenAuthorizer({ facts: cluster, rules, audiences, now });
  let server: CaServer | undefined;

  async function synchronize(): Promise<number> {
    const { set, dueAtMs } = await roots.sync();
    await authority.adopt(set);
    server?.useCertificate(await authority.serverCertificate());
    const { failed } = await keepBundles(cluster, trustBundle(set), log);
    metrics.synced(set, now(), failed);
    const gateways = await keepGateways(cluster, config.clusterDomain, now(), log);
    return Math.min(dueAtMs, now() + (failed + gateways.failed > 0 ? retryMs : config.syncIntervalMs));
  }
  const loop = createSyncLoop({ run: synchronize, now, onFailure: metrics.syncFailed, log });
  const watcher = createClusterWatcher(kubeConfig, watchedPaths(namespace, secretName), loop.poke, log);
  const statuses = createStatuses({ config, kubeConfig, logging }, registry.recorder);
  const servers = createControllerServers({ config, registry, readiness, log: logging.logger('http') });

  const app: Controller = {
    get ports() {
      return { ...servers.ports, ca: server?.address.port ?? config.listen.port };
    },
    async start() {
      await servers.start();
      await loop.start();
      watcher.start();
      await statuses?.start();
      const tls = await authority.serverCertificate();
      server = createCaServer({ authority, authorize, tls, listen: config.listen, log, onAnswer: metrics.answered });
      await server.start();
      readiness.done(caTask);
    },
    async drain(deadlineMs) {
      readiness.pend(caTask);
      await server?.drain(deadlineMs);
      await app.close();
    },
    async close() {
      watcher.close();
      await statuses?.close();
      await loop.close();
      await server?.close();
      await servers.close();
    },
  };
  return app;
}

function createStatuses({ config, kubeConfig, logging }: ControllerOptions, recorder: Recorder): Runnable | undefined {
  const { kubeconfigPath: path, trustDomain, clusterDomain: domainSuffix, namespace: systemNamespace } = config;
  if (!config.writesStatus) return undefined;
  const access = path === undefined ? ({ kind: 'in-cluster' } as const) : ({ kind: 'kubeconfig', path } as const);
  const settings = { ...defaultMeshSettings, trustDomain, domainSuffix, systemNamespace };
  return createStatusKeeper({ access, kubeConfig, settings, recorder, log: logging.logger('status') });
}

function watchedPaths(namespace: string, secretName: string): readonly WatchedPath[] {
  return [
    { path: '/api/v1/namespaces' },
    { path: '/api/v1/configmaps', fieldSelector: `metadata.name=${bundleName}` },
    { path: `/api/v1/namespaces/${namespace}/secrets`, fieldSelector: `metadata.name=${secretName}` },
    { path: '/apis/gateway.networking.k8s.io/v1/gateways' },
    { path: '/api/v1/services', labelSelector: gatewayNameLabel },
  ];
}
