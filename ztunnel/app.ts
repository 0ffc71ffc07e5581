// The node proxy, put together: what is built from what, and in which order it starts and ends.
import type { BuildVersion } from '../common/admin/config-dump.ts';
import { dumpConfig } from '../common/admin/config-dump.ts';
import { createReadiness } from '../common/admin/readiness.ts';
import { createCaClient } from '../common/ca/ca-client.ts';
import type { CertificateSource } from '../common/identity/certificate.ts';
import { createCertificateStore } from '../common/identity/certificate-store.ts';
import type { Runnable } from '../common/lifecycle.ts';
import type { Logging } from '../common/logger.ts';
import { createMeshIndex } from '../common/mesh/mesh-index.ts';
import type { MeshView } from '../common/mesh/mesh-view.ts';
import { createPeerClaims } from '../common/peer/peer-claims.ts';
import type { MetricsRegistry } from '../common/telemetry/metrics-registry.ts';
import type { ServerPorts, ZtunnelConfig } from './config.ts';
import type { ConnectionJournal } from './connections/connection-journal.ts';
import { dumpProxies } from './dump-proxies.ts';
import { dumpSettings } from './dump-settings.ts';
import { createPodProxies, type PodProxies } from './inpod/pod-proxies.ts';
import { createPodProxy } from './inpod/pod-proxy.ts';
import { createPodSource } from './inpod/pod-source.ts';
import { createOnDemandDnsCounter, createOpenSockets, createProxyCounters } from './inpod/proxy-metrics.ts';
import { createMeshSource } from './mesh-sources.ts';
import { lookUpName } from './name-lookup-client.ts';
import { createNodeServers } from './node-servers.ts';
import { createNodeTelemetry } from './node-telemetry.ts';

export interface ZtunnelOptions {
  readonly config: ZtunnelConfig;
  readonly logging: Logging;
  readonly version: BuildVersion;
  /** Asked for by the administrator's /quitquitquit. */
  readonly onShutdown: () => void;
}

export interface Ztunnel extends Runnable {
  /** What they got, once started. */
  readonly ports: ServerPorts;
}

const sourceTask = 'state manager';
const podsTask = 'workload proxy manager';

export function createZtunnel({ config, logging, version, onShutdown }: ZtunnelOptions): Ztunnel {
  const readiness = createReadiness([sourceTask, podsTask]);
  const telemetry = createNodeTelemetry(config, logging);
  const { metrics, journal } = telemetry;
  const mesh = createMeshIndex();
  const source = createMeshSource({
    config,
    writer: mesh,
    recorder: metrics.recorder,
    logging,
    onObjects: telemetry.useObjects,
  });
  const ca = createCaClient(caOptions(config));
  const certificates = createCertificateStore({ issuer: ca, log: logging.logger('identity') });

  const onReadiness = (state: 'ready' | 'waiting'): void =>
    state === 'ready' ? readiness.done(podsTask) : readiness.pend(podsTask);
  const { proxies, pods } = createPods({ config, logging, mesh, metrics, journal, certificates, onReadiness });

  const dump = () =>
    dumpConfig({
      mesh,
      certificates: certificates.entries(),
      config: dumpSettings(config),
      version: { ...version, istioVersion: config.istioVersion },
      proxies: dumpProxies(proxies.list()),
    });
  const servers = createNodeServers({ config, logging, metrics, readiness, dumpConfig: dump, onShutdown });

  const app: Ztunnel = {
    get ports() {
      return servers.ports;
    },
    async start() {
      await servers.start();
      await source.start();
      readiness.done(sourceTask);
      await pods.start();
    },
    async drain(deadlineMs) {
      const endMs = performance.now() + deadlineMs;
      for (const part of [pods, proxies, servers]) await part.drain(Math.max(0, endMs - performance.now()));
      await app.close();
    },
    async close() {
      await pods.close();
      await proxies.close();
      await source.close();
      for (const used of [telemetry, certificates, ca]) used.close();
      await servers.close();
    },
  };
  return app;
}

interface PodParts {
  readonly config: ZtunnelConfig;
  readonly logging: Logging;
  readonly mesh: MeshView;
  readonly metrics: MetricsRegistry;
  readonly journal: ConnectionJournal;
  readonly certificates: CertificateSource;
  readonly onReadiness: (state: 'ready' | 'waiting') => void;
}

function createPods({ config, logging, mesh, metrics, journal, certificates, onReadiness }: PodParts): {
  readonly proxies: PodProxies;
  readonly pods: Runnable;
} {
  const log = logging.logger('proxy');
  const openSockets = createOpenSockets(metrics.recorder);
  const counters = createProxyCounters(metrics.recorder);
  const countOnDemandDns = createOnDemandDnsCounter(metrics.recorder);
  const peerClaims = createPeerClaims({ recorder: metrics.recorder, log });
  const services = { config, mesh, journal, openSockets, lookUpName, countOnDemandDns, certificates, peerClaims, log };
  const proxies = createPodProxies({ createProxy: (pod) => createPodProxy(services, pod), counters, log });
  const pods = createPodSource({ config, mesh, proxies, counters, log: logging.logger('inpod'), onReadiness });
  return { proxies, pods };
}

/** In dedicated mode the token is the workload's own; elsewhere it is the node's, who asks for others. */
function caOptions({ ca, clusterId, mode }: ZtunnelConfig): Parameters<typeof createCaClient>[0] {
  const { certificateLifetimeMs: lifetimeMs, ...controlPlane } = ca;
  return { ...controlPlane, lifetimeMs, clusterId, askAs: mode.kind === 'dedicated' ? 'workload' : 'node' };
}
