// ztunnel's part that carries bytes, in explicit mode with several worker threads, for tests: a mesh given by value, an embedded CA,
// pods on loopback addresses. What the shards counted and logged can be asked for.
import type { CertificateSource } from '../../common/identity/certificate.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../../common/identity/certificate-authority.ts';
import { createCertificateStore } from '../../common/identity/certificate-store.ts';
import { createLogging, type Logging } from '../../common/logger.ts';
import type { MeshDemand } from '../../common/mesh/mesh-demand.ts';
import type { MeshSnapshot } from '../../common/mesh/mesh-source.ts';
import { createSharedMesh, type SharedMesh } from '../../common/mesh/shared/shared-mesh.ts';
import { createMetricsRegistry } from '../../common/telemetry/metrics-registry.ts';
import { parseZtunnelConfig } from '../../ztunnel/config.ts';
import { createPodFleet, type PodFleet } from '../../ztunnel/inpod/pod-fleet.ts';
import { createPodSource } from '../../ztunnel/inpod/pod-source.ts';
import { createProxyCounters } from '../../ztunnel/inpod/proxy-metrics.ts';
import { mergeProxies } from '../../ztunnel/shards/shards.ts';
import { createWorkerShards, type WorkerShards } from '../../ztunnel/shards/worker-shards.ts';
import { readSample, type Samples } from './explicit-mesh.ts';

export interface ShardedMesh {
  readonly mesh: SharedMesh;
  readonly shards: WorkerShards;
  readonly fleet: PodFleet;
  readonly logging: Logging;
  readonly authority: CertificateAuthority;
  readonly certificates: CertificateSource;
  readonly lines: readonly Record<string, unknown>[];
  samples(metric: string): Promise<Samples>;
  /** Living connections of all shards, by direction. */
  living(): Promise<{ readonly inbound: number; readonly outbound: number }>;
  close(): Promise<void>;
}

/** @param demandOf who tells of what the mesh lacks; without it the mesh is known as a whole */
export async function startShardedMesh(
  snapshot: Partial<MeshSnapshot>,
  threads: number,
  demandOf?: (mesh: SharedMesh) => MeshDemand,
): Promise<ShardedMesh> {
  const env = {
    PROXY_MODE: 'explicit',
    AMBIENTD_MANIFESTS: '-',
    ZTUNNEL_WORKER_THREADS: String(threads),
    LOG_FORMAT: 'json',
    // Who tells of revocations: the test.
    CRL_PATH: '-',
    XDS_ON_DEMAND: String(demandOf !== undefined),
  };
  const parsed = parseZtunnelConfig(env, () => false);
  if (parsed.kind === 'problems') throw new Error(parsed.problems.join('; '));
  const { config } = parsed;
  const lines: Record<string, unknown>[] = [];
  const logging = createLogging({ format: 'json', sink: { write: (line) => void lines.push(JSON.parse(line)) } });
  const mesh = createSharedMesh();
  mesh.replace({ workloads: [], services: [], policies: [], ...snapshot });
  const metrics = createMetricsRegistry();
  const { recorder } = metrics;
  const issuer = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  const certificates = createCertificateStore({ issuer, log: logging.logger('identity') });
  const shards = createWorkerShards({ config, mesh, demand: demandOf?.(mesh), certificates, recorder, logging });
  metrics.collectBefore(() => shards.collect());
  const counters = createProxyCounters(recorder);
  const log = logging.logger('inpod');
  const fleet = createPodFleet({ shards: shards.list, counters, log });
  const pods = createPodSource({ config, mesh, fleet, counters, log, onReadiness: () => {} });
  await pods.start();
  return {
    mesh,
    shards,
    fleet,
    logging,
    authority: issuer,
    certificates,
    lines,
    async samples(metric) {
      const { body } = await metrics.exposition(undefined);
      return body.split('\n').flatMap((line) => readSample(line, metric));
    },
    async living() {
      const proxies = mergeProxies(await Promise.all(shards.list.map((shard) => shard.proxies())));
      const sum = (of: 'inbound' | 'outbound'): number => proxies.reduce((count, proxy) => count + proxy[of].length, 0);
      return { inbound: sum('inbound'), outbound: sum('outbound') };
    },
    async close() {
      await pods.close();
      await fleet.close();
      shards.close();
      certificates.close();
    },
  };
}
