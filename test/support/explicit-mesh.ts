// ztunnel in explicit mode, in this process, for tests: a mesh given by value, an embedded CA, pods on loopback addresses.
// What it counted and logged can be asked for; applications and clients are plain sockets.
import { type CertificateAuthority, createCertificateAuthority } from '../../common/identity/certificate-authority.ts';
import { createCertificateStore } from '../../common/identity/certificate-store.ts';
import type { MeshIndex } from '../../common/mesh/mesh-index.ts';
import type { MeshSnapshot } from '../../common/mesh/mesh-source.ts';
import { createPeerClaims } from '../../common/peer/peer-claims.ts';
import { createFailureJournal } from '../../common/telemetry/failure-journal.ts';
import { createMetricsRegistry } from '../../common/telemetry/metrics-registry.ts';
import { createTcpReporter } from '../../common/telemetry/tcp-reporter.ts';
import { parseZtunnelConfig } from '../../ztunnel/config.ts';
import { createConnectionJournal } from '../../ztunnel/connections/connection-journal.ts';
import { createDnsMetrics } from '../../ztunnel/dns/dns-metrics.ts';
import { createPodFleet, type PodFleet } from '../../ztunnel/inpod/pod-fleet.ts';
import { createPodProxies } from '../../ztunnel/inpod/pod-proxies.ts';
import { createPodProxy, type NodeServices } from '../../ztunnel/inpod/pod-proxy.ts';
import { createPodSource } from '../../ztunnel/inpod/pod-source.ts';
import { createOnDemandDnsCounter, createOpenSockets, createProxyCounters } from '../../ztunnel/inpod/proxy-metrics.ts';
import { collectLines } from './collected-lines.ts';
import { collectLog } from './collected-log.ts';
import { meshOf } from './mesh-objects.ts';

/** Lines of one metric: the labels that were asked for, and the value. */
export type Samples = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];

export interface ExplicitMesh {
  readonly mesh: MeshIndex;
  readonly fleet: PodFleet;
  readonly services: NodeServices;
  readonly authority: CertificateAuthority;
  /** Access log lines so far. */
  readonly accessLog: readonly Record<string, unknown>[];
  /** Waits until the access log has this many lines. */
  logged(count: number): Promise<readonly Record<string, unknown>[]>;
  samples(metric: string): Promise<Samples>;
  close(): Promise<void>;
}

export async function startExplicitMesh(snapshot: Partial<MeshSnapshot>): Promise<ExplicitMesh> {
  const parsed = parseZtunnelConfig({ PROXY_MODE: 'explicit', AMBIENTD_MANIFESTS: '-' }, () => false);
  if (parsed.kind === 'problems') throw new Error(parsed.problems.join('; '));
  const { config } = parsed;
  const { log } = collectLog();
  const access = collectLines();
  const mesh = meshOf(snapshot);
  const metrics = createMetricsRegistry();
  const reporter = createTcpReporter({ recorder: metrics.recorder, intervalMs: 15_000, countsFailures: true });
  const issuer = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  const certificates = createCertificateStore({ issuer, log });
  const now = (): number => performance.now();
  const { recorder } = metrics;
  const failures = createFailureJournal({ recorder, lines: access.log, linesPerSecond: config.failureLines, now });
  const journal = createConnectionJournal({ reporter, failures, lines: access.log, now });
  const openSockets = createOpenSockets(metrics.recorder);
  const counters = createProxyCounters(metrics.recorder);
  const lookUpName = async () => [];
  const countOnDemandDns = createOnDemandDnsCounter(metrics.recorder);
  const peerClaims = createPeerClaims({ recorder: metrics.recorder, log });
  const dns = { metrics: createDnsMetrics(recorder), log };
  const told = { journal, openSockets, countOnDemandDns, peerClaims, dns, log };
  const services = { config, mesh, lookUpName, certificates, ...told };
  const shard = createPodProxies({
    createProxy: (pod) => createPodProxy(services, pod),
    sockets: { sharing: 'alone', ipv6: 'on' },
  });
  const fleet = createPodFleet({ shards: [shard], counters, log });
  const pods = createPodSource({ config, mesh, fleet, counters, log, onReadiness: () => {} });
  await pods.start();

  const lines = (): Record<string, unknown>[] => access.lines.filter(({ message }) => message !== 'connection opened');
  return {
    mesh,
    fleet,
    services,
    authority: issuer,
    get accessLog() {
      return lines();
    },
    async logged(count) {
      while (lines().length < count) await new Promise((resolve) => setTimeout(resolve, 5));
      return lines();
    },
    async samples(metric) {
      const { body } = await metrics.exposition(undefined);
      return body.split('\n').flatMap((line) => readSample(line, metric));
    },
    async close() {
      await pods.close();
      await fleet.close();
      certificates.close();
      reporter.close();
      failures.close();
    },
  };
}

export function readSample(line: string, metric: string): Samples {
  const [, labels, value] = new RegExp(`^${metric}(?:\\{(.*)\\})? ([0-9.e+-]+)$`).exec(line) ?? [];
  if (value === undefined) return [];
  const pairs = [...(labels ?? '').matchAll(/([a-z_]+)="([^"]*)"/g)].map((match) => [match[1] ?? '', match[2] ?? '']);
  return [[Object.fromEntries(pairs), Number(value)]];
}
