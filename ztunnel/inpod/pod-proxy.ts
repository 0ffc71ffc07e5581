// Everything that runs for one pod: its listeners, its tunnels, its connections. All listeners are bound before any
// serves; closing cuts what is left, draining waits for it. Source: ztunnel.md §1, §5.4.
import { MeshError } from '../../common/errors.ts';
import { createGate } from '../../common/gate.ts';
import type { TunnelDialer } from '../../common/hbone/hbone.ts';
import { createTunnelPool } from '../../common/hbone/tunnel-pool.ts';
import type { CertificateSource } from '../../common/identity/certificate.ts';
import { identityOf } from '../../common/identity/identity.ts';
import type { Runnable } from '../../common/lifecycle.ts';
import type { Logger } from '../../common/log.ts';
import type { MeshDemand } from '../../common/mesh/mesh-demand.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import type { Listener } from '../../common/net/socket-factory.ts';
import type { PeerClaims } from '../../common/peer/peer-claims.ts';
import type { PeerRevocations } from '../../common/tls/peer-revocations-socket.ts';
import type { ZtunnelConfig } from '../config.ts';
import { closeRevokedConnections } from '../connections/close-revoked.ts';
import type { ConnectionJournal } from '../connections/connection-journal.ts';
import { type ConnectionTracker, createConnectionTracker } from '../connections/connection-tracker.ts';
import { createLocalWorkload, type LocalWorkload } from '../connections/local-workload.ts';
import type { PodContext } from '../connections/pod-context.ts';
import { nextTraceSeed } from '../connections/trace-seed.ts';
import { illegalPorts } from '../illegal-ports.ts';
import { type InboundListener, listenInbound } from '../inbound/inbound-listener.ts';
import type { NameLookup } from '../name-lookup-client.ts';
import { carryOutbound, type OutboundContext } from '../outbound/outbound-connection.ts';
import { listenOutbound } from '../outbound/outbound-listener.ts';
import { listenPassthrough } from '../passthrough/passthrough-listener.ts';
import { type EntryContext, listenExplicitEntry } from '../socks5/explicit-entry-listener.ts';
import { resolveName } from '../socks5/resolve-name.ts';
import type { OpenPod } from './pod.ts';
import { createPodDns, type DnsTelemetry, type PodDns } from './pod-dns.ts';
import type { CountOnDemandDns, OpenSockets } from './proxy-metrics.ts';

export interface PodProxy extends Runnable {
  readonly connections: ConnectionTracker;
}

/** What all pods of this process share. */
export interface NodeServices {
  readonly config: ZtunnelConfig;
  readonly mesh: MeshView;
  readonly demand?: MeshDemand | undefined;
  readonly journal: ConnectionJournal;
  readonly openSockets: OpenSockets;
  readonly lookUpName: NameLookup;
  readonly countOnDemandDns: CountOnDemandDns;
  readonly dns: DnsTelemetry;
  readonly certificates: CertificateSource;
  /** CRL_PATH. */
  readonly revocations?: PeerRevocations | undefined;
  readonly peerClaims: PeerClaims;
  readonly log: Logger;
}

export const podPorts = { outbound: 15_001, inboundPlaintext: 15_006, inbound: 15_008, socks5: 15_080 } as const;

export function createPodProxy(services: NodeServices, pod: OpenPod): PodProxy {
  return new ServedPod(services, pod);
}

class ServedPod implements PodProxy {
  readonly connections: ConnectionTracker = createConnectionTracker();
  readonly #services: NodeServices;
  readonly #pod: OpenPod;
  readonly #workload: LocalWorkload;
  readonly #tunnels: TunnelDialer;
  readonly #serving = createGate();
  readonly #dns: PodDns | undefined;
  #dnsServer: Pick<Listener, 'close'> | undefined;
  #listeners: readonly Pick<Listener, 'close'>[] = [];
  #inbound: InboundListener | undefined;
  #unsubscribe: () => void = () => {};

  constructor(services: NodeServices, pod: OpenPod) {
    this.#services = services;
    this.#pod = pod;
    const { mesh, config } = services;
    this.#workload = createLocalWorkload({ mesh, name: pod.name, nodeName: config.nodeName });
    this.#tunnels = createTunnelPool({
      sockets: pod.sockets,
      certificates: services.certificates,
      revocations: services.revocations,
      log: services.log,
      settings: { ...config.tunnel, idleTimeoutMs: config.idleTunnelMs },
    });
    const own = { workload: this.#workload, sockets: pod.sockets, serving: this.#serving, telemetry: services.dns };
    this.#dns = createPodDns({ config, mesh, ...own });
  }

  async start(): Promise<void> {
    const bound = await Promise.allSettled(this.#bind());
    this.#listeners = bound.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const failure = bound.find((result) => result.status === 'rejected');
    if (failure !== undefined) {
      await this.close();
      throw failure.reason;
    }
    this.#unsubscribe = closeRevokedConnections(this.#services.mesh, this.connections);
    this.#serving.open();
    void this.#prefetchCertificate();
  }

  async drain(deadlineMs: number): Promise<void> {
    await this.#stopAccepting();
    await Promise.all([
      this.#inbound?.drain(deadlineMs),
      this.#tunnels.drain(deadlineMs),
      this.connections.whenEmpty(deadlineMs),
    ]);
    await this.close();
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#stopAccepting();
    const { namespace, name } = this.#pod.name;
    const reason = `connection closed due to connection drain: ${namespace}/${name} is no longer served here`;
    this.connections.abortAll(new MeshError('DRAINED', reason));
    this.#inbound?.close();
    this.#tunnels.close();
    this.#dns?.close();
    const server = this.#dnsServer;
    this.#dnsServer = undefined;
    await server?.close();
  }

  /** So that the first connection does not wait for the CA. A failure is told to the connection that needs it. */
  async #prefetchCertificate(): Promise<void> {
    try {
      const workload = await this.#workload.get();
      if (workload.tunnelProtocol === 'hbone') await this.#services.certificates.get(identityOf(workload));
    } catch (error) {
      this.#services.log.debug({ uid: this.#pod.uid, error }, 'certificate was not fetched ahead');
    }
  }

  async #stopAccepting(): Promise<void> {
    const listeners = this.#listeners;
    this.#listeners = [];
    await Promise.all(listeners.map((listener) => listener.close()));
  }

  #bind(): readonly Promise<Pick<Listener, 'close'>>[] {
    const { config } = this.#services;
    const isCaptured = config.mode.kind !== 'explicit';
    const outbound = this.#outboundContext();
    return [
      this.#listenInbound(outbound),
      ...(isCaptured ? [listenOutbound(outbound, podPorts.outbound)] : []),
      ...(isCaptured ? [listenPassthrough(outbound, podPorts.inboundPlaintext)] : []),
      ...(config.explicitEntry === 'on' ? [this.#listenExplicitEntry(outbound)] : []),
      ...(this.#dns === undefined ? [] : [this.#listenDns(this.#dns)]),
    ];
  }

  /** Whoever still has connections may still have names to look up: it ends last. */
  async #listenDns(dns: PodDns): Promise<Pick<Listener, 'close'>> {
    this.#dnsServer = await dns.listen();
    return { close: async () => {} };
  }

  async #listenInbound(context: PodContext): Promise<Pick<Listener, 'close'>> {
    const { config, certificates, log } = this.#services;
    const baggage = config.responseBaggage ? 'exchanged' : 'ignored';
    const options = { port: podPorts.inbound, certificates, log, flow: config.tunnel.flow };
    const inbound = await listenInbound({ ...context, baggage }, options);
    this.#inbound = inbound;
    return { close: () => inbound.stop() };
  }

  #listenExplicitEntry(outbound: OutboundContext): Promise<Listener> {
    const { config } = this.#services;
    const entry = {
      ...outbound,
      findAddress: this.#findAddress(outbound),
      carry: (connection: Parameters<typeof carryOutbound>[1]) => carryOutbound(outbound, connection),
    };
    // Without capture the pod's own address is the only place where its programs and nobody else's can find the entry.
    const host = config.mode.kind === 'explicit' ? 'any' : 'loopback';
    return listenExplicitEntry(entry, { port: podPorts.socks5, host });
  }

  /** By the pod's DNS, or as it would be without capture: by the mesh, then by this machine's resolver. */
  #findAddress({ mesh, network, random, lookUpName }: OutboundContext): EntryContext['findAddress'] {
    const dns = this.#dns;
    if (dns !== undefined) return (hostname, peer) => dns.find(hostname, peer.ip);
    const { clusterDomain } = this.#services.config;
    const { namespace: clientNamespace } = this.#pod.name;
    return async (hostname) => {
      const known = resolveName({ mesh, hostname, clientNamespace, network, clusterDomain, random: random() });
      if (known.kind !== 'unknown') return known;
      const [ip] = await lookUpName(hostname);
      return ip === undefined ? known : { kind: 'address', ip };
    };
  }

  #outboundContext(): OutboundContext {
    const { config, mesh, demand, journal, openSockets, lookUpName, countOnDemandDns } = this.#services;
    const { certificates, revocations, peerClaims } = this.#services;
    const { sockets } = this.#pod;
    const socks5 = config.explicitEntry === 'on' ? podPorts.socks5 : undefined;
    return {
      mesh,
      demand,
      network: config.network,
      workload: this.#workload,
      sockets,
      certificates,
      revocations,
      peerClaims,
      illegalPorts: illegalPorts({ ...podPorts, socks5 }),
      tracker: this.connections,
      journal,
      originalSource: config.originalSource,
      serving: this.#serving,
      openSockets,
      tunnels: this.#tunnels,
      lookUpName,
      countOnDemandDns,
      random: Math.random,
      traceSeed: nextTraceSeed,
    };
  }
}
