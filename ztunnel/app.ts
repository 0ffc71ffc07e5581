// The node proxy, put together: what is built from what, and in which order it starts and ends.
import type { BuildVersion } from '../common/admin/config-dump.ts';
import { dumpConfig } from '../common/admin/config-dump.ts';
import { createReadiness } from '../common/admin/readiness.ts';
import { createCaClient } from '../common/ca/ca-client.ts';
import { type CertificateStore, createCertificateStore } from '../common/identity/certificate-store.ts';
import { createCrlFileWatcher } from '../common/identity/crl-file-watcher.ts';
import type { Runnable } from '../common/lifecycle.ts';
import type { LevelDirectives } from '../common/log-levels.ts';
import type { Logging } from '../common/logger.ts';
import type { MeshWriter } from '../common/mesh/mesh-source.ts';
import type { MeshView } from '../common/mesh/mesh-view.ts';
import { createSharedMesh } from '../common/mesh/shared/shared-mesh.ts';
import type { MetricsRegistry } from '../common/telemetry/metrics-registry.ts';
import type { ServerPorts, ZtunnelConfig } from './config.ts';
import { dumpSettings } from './dump-settings.ts';
import { createPodFleet, type PodFleet } from './inpod/pod-fleet.ts';
import { createPodSource } from './inpod/pod-source.ts';
import { createProxyCounters } from './inpod/proxy-metrics.ts';
import { createMeshSource } from './mesh-sources.ts';
import { watchNodeIdentities } from './node-identities.ts';
import { createNodeServers } from './node-servers.ts';
import { createNodeTelemetry } from './node-telemetry.ts';
import type { Shard } from './shards/shard.ts';
import { createShards, type Shards } from './shards/shards.ts';

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
const dnsTask = 'dns proxy';
const podsTask = 'workload proxy manager';

export function createZtunnel({ config, logging, version, onShutdown }: ZtunnelOptions): Ztunnel {
  const readiness = createReadiness([sourceTask, ...(config.dns.serving === 'on' ? [dnsTask] : []), podsTask]);
  const telemetry = createNodeTelemetry(config, logging);
  const { metrics } = telemetry;
  const mesh = createSharedMesh();
  const ca = createCaClient(caOptions(config));
  const certificates = createCertificateStore({ issuer: ca, log: logging.logger('identity') });
  const source = createMeshSource({
    config,
    writer: keepCertificates(config, mesh, certificates),
    recorder: metrics.recorder,
    logging,
    onObjects(objects) {
      telemetry.checkObjects(objects);
      shards.useObjects(objects);
    },
  });
  const { recorder } = metrics;
  const { demand } = source;
  const shards = createShards({ config, mesh, demand, certificates, recorder, logging });
  telemetry.follow(shards);
  const revocations = watchRevocations(config, logging, shards);

  const onReadiness = (state: 'ready' | 'waiting'): void =>
    state === 'ready' ? readiness.done(podsTask) : readiness.pend(podsTask);
  const { fleet, pods } = createPods({ config, logging, mesh, metrics, shards: shards.list, onReadiness });

  const dump = async () => {
    const known = { mesh, certificates: certificates.entries(), proxies: await shards.proxies() };
    const build = { ...version, istioVersion: config.istioVersion };
    return dumpConfig({ ...known, config: dumpSettings(config), version: build });
  };
  const levels = followLevels(logging, (directives) => shards.useLevels(directives));
  const servers = createNodeServers({ config, logging: levels, metrics, readiness, dumpConfig: dump, onShutdown });

  const app: Ztunnel = {
    get ports() {
      return servers.ports;
    },
    async start() {
      for (const part of [servers, revocations, source]) await part?.start();
      readiness.done(sourceTask);
      readiness.done(dnsTask);
      await pods.start();
    },
    async drain(deadlineMs) {
      const endMs = performance.now() + deadlineMs;
      for (const part of [pods, fleet, servers]) await part.drain(Math.max(0, endMs - performance.now()));
      await app.close();
    },
    async close() {
      await pods.close();
      await fleet.close();
      for (const part of [source, revocations]) await part?.close();
      for (const used of [shards, certificates, ca]) used.close();
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
  readonly shards: readonly Shard[];
  readonly onReadiness: (state: 'ready' | 'waiting') => void;
}

function createPods({ config, logging, mesh, metrics, shards, onReadiness }: PodParts): {
  readonly fleet: PodFleet;
  readonly pods: Runnable;
} {
  const counters = createProxyCounters(metrics.recorder);
  const fleet = createPodFleet({ shards, counters, log: logging.logger('proxy') });
  const pods = createPodSource({ config, mesh, fleet, counters, log: logging.logger('inpod'), onReadiness });
  return { fleet, pods };
}

function watchRevocations({ crlPath: path }: ZtunnelConfig, logging: Logging, shards: Shards): Runnable | undefined {
  if (path === undefined) return undefined;
  const log = logging.logger('identity');
  return createCrlFileWatcher({ path, log, onLists: (lists) => shards.useRevocations(lists) });
}

/** The administrator's change of levels goes to every shard. */
function followLevels(logging: Logging, follow: (directives: LevelDirectives) => void): Logging {
  return {
    ...logging,
    get directives() {
      return logging.directives;
    },
    apply(directives) {
      logging.apply(directives);
      follow(directives);
    },
  };
}

/** The node's own pods come with the mesh: their certificates are there before their first connection (ztunnel.md §7). */
function keepCertificates(
  { mode, nodeName }: ZtunnelConfig,
  writer: MeshWriter,
  certificates: CertificateStore,
): MeshWriter {
  if (mode.kind !== 'shared' || nodeName === undefined) return writer;
  return watchNodeIdentities(writer, {
    nodeName,
    onCome: (identity) => certificates.keep(identity),
    onGone: (identity) => certificates.forget(identity),
  });
}

/** In dedicated mode the token is the workload's own; elsewhere it is the node's, who asks for others. */
function caOptions({ ca, clusterId, mode }: ZtunnelConfig): Parameters<typeof createCaClient>[0] {
  const { certificateLifetimeMs: lifetimeMs, ...controlPlane } = ca;
  return { ...controlPlane, lifetimeMs, clusterId, askAs: mode.kind === 'dedicated' ? 'workload' : 'node' };
}
