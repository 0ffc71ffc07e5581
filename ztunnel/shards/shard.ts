// A shard carries bytes: the listeners, tunnels and connections of all pods, in one thread. It runs in the main thread, or in
// a worker beside others, which share the pods' ports; either way it is this. Everything it needs comes by argument.
import type { ProxyState } from '../../common/admin/config-dump.ts';
import type { CertificateSource } from '../../common/identity/certificate.ts';
import type { RevocationList } from '../../common/identity/revocation-list.ts';
import type { Logging } from '../../common/logger.ts';
import type { MeshDemand } from '../../common/mesh/mesh-demand.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import { createPeerClaims } from '../../common/peer/peer-claims.ts';
import type { KubernetesObject } from '../../common/sources/kubernetes-object.ts';
import type { Recorder } from '../../common/telemetry/recorder.ts';
import { createPeerRevocations } from '../../common/tls/peer-revocations-socket.ts';
import type { ZtunnelConfig } from '../config.ts';
import { createDnsMetrics } from '../dns/dns-metrics.ts';
import { dumpProxies } from '../dump-proxies.ts';
import type { PodShard } from '../inpod/pod-fleet.ts';
import { createPodProxies } from '../inpod/pod-proxies.ts';
import { createPodProxy } from '../inpod/pod-proxy.ts';
import { createOnDemandDnsCounter, createOpenSockets } from '../inpod/proxy-metrics.ts';
import { lookUpName } from '../name-lookup-client.ts';
import { createShardTelemetry } from './shard-telemetry.ts';

export interface Shard extends PodShard {
  /** Its pods with their living connections. */
  proxies(): Promise<readonly ProxyState[]>;
  /** What the users' manifests define: for pods that are started from now on, and soon for all connections. */
  useObjects(objects: readonly KubernetesObject[]): void;
  /** Of CRL_PATH: for handshakes from now on, and for the tunnels that there are. */
  useRevocations(lists: readonly RevocationList[]): void;
}

export interface ShardOptions {
  readonly config: ZtunnelConfig;
  readonly mesh: MeshView;
  /** Where the mesh is known in parts only. */
  readonly demand?: MeshDemand | undefined;
  readonly certificates: CertificateSource;
  readonly recorder: Recorder;
  readonly logging: Logging;
  /** Whether other shards listen on the same ports. */
  readonly sharing: 'alone' | 'shared';
}

export function createShard({ config, mesh, demand, certificates, recorder, logging, sharing }: ShardOptions): Shard {
  const log = logging.logger('proxy');
  const telemetry = createShardTelemetry(config, logging, recorder);
  const revocations = config.crlPath === undefined ? undefined : createPeerRevocations({ recorder, log });
  const services = {
    config,
    mesh,
    demand,
    journal: telemetry.journal,
    openSockets: createOpenSockets(recorder),
    lookUpName,
    countOnDemandDns: createOnDemandDnsCounter(recorder),
    dns: { metrics: createDnsMetrics(recorder), log: logging.logger('dns') },
    certificates,
    revocations,
    peerClaims: createPeerClaims({ recorder, log }),
    log,
  };
  const pods = createPodProxies({
    createProxy: (pod) => createPodProxy(services, pod),
    sockets: { sharing, ipv6: config.ipv6 },
  });
  return {
    async startPod(pod) {
      await telemetry.whenUsed();
      await pods.startPod(pod);
    },
    stopPod: pods.stopPod,
    proxies: async () => dumpProxies(pods.list()),
    useObjects: telemetry.useObjects,
    useRevocations: (lists) => revocations?.use(lists),
    async drain(deadlineMs) {
      await pods.drain(deadlineMs);
      telemetry.close();
    },
    async close() {
      await pods.close();
      telemetry.close();
    },
  };
}
