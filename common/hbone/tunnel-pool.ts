// The tunnels of one proxied workload, shared by its connections (ztunnel.md §3.5). In: targets. Out: CONNECT streams.
// `pool-policy.ts` decides, `tunnel-client.ts` dials; here is who lives, who waits for whom, and who is released.
import { MeshError } from '../errors.ts';
import { defaultFlow, type FlowSettings } from '../http2/settings.ts';
import type { CertificateSource } from '../identity/certificate.ts';
import { createLastOut } from '../last-out.ts';
import type { Logger } from '../log.ts';
import { formatSocketAddress } from '../net/address.ts';
import type { SocketFactory } from '../net/socket-factory.ts';
import type { PeerRevocations } from '../tls/peer-revocations-socket.ts';
import { type ConnectOutcome, openConnectStream } from './connect-stream.ts';
import type { ConnectedStream, ConnectHeaders, TunnelDialer, TunnelTarget } from './hbone.ts';
import { mayShare } from './may-share.ts';
import { chooseTunnel, defaultMaxBusyTunnels } from './pool-policy.ts';
import { PooledTunnel } from './pooled-tunnel.ts';
import { defaultTunnelTimes, dialTunnel, type TunnelTimes } from './tunnel-client.ts';

export interface TunnelPoolSettings extends TunnelTimes {
  /** Answer to a CONNECT. Default 20 000: a peer waits 5 s for its workload and 10 s for the program before it says no. */
  readonly answerTimeoutMs: number;
  /** A tunnel without streams is released after this. Default 300 000. */
  readonly idleTimeoutMs: number;
  /** Beyond this many tunnels, idle ones are released at once. Default 500. */
  readonly maxTunnels: number;
  /** Beyond this many streams in a tunnel the next one gets another. Default 100. */
  readonly maxStreamsPerTunnel: number;
  /** Of one next hop and source, as long as those before them are congested. Default 4; 1: none is dialled for that. */
  readonly maxBusyTunnels: number;
  readonly flow: FlowSettings;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface TunnelPoolOptions {
  readonly sockets: SocketFactory;
  readonly certificates: CertificateSource;
  /** Peers are held to them, where there are any. */
  readonly revocations?: PeerRevocations | undefined;
  readonly log: Logger;
  readonly settings?: Partial<TunnelPoolSettings>;
}

const defaults: TunnelPoolSettings = {
  ...defaultTunnelTimes,
  answerTimeoutMs: 20_000,
  idleTimeoutMs: 300_000,
  maxTunnels: 500,
  maxStreamsPerTunnel: 100,
  maxBusyTunnels: defaultMaxBusyTunnels,
  flow: defaultFlow,
  now: Date.now,
};
/** A CONNECT on which the peer surely did not act may be sent again, this often in all. */
const maxAttempts = 3;
/** After a failed dial, congestion alone is no reason for another one this soon. */
const dialAgainMs = 1_000;

export function createTunnelPool(options: TunnelPoolOptions): TunnelDialer {
  return new TunnelPool(options);
}

class TunnelPool implements TunnelDialer {
  private readonly options: TunnelPoolOptions;
  private readonly settings: TunnelPoolSettings;
  /** By the uid of the next hop. */
  private readonly groups = new Map<string, readonly TunnelGroup[]>();
  private readonly all = new Set<PooledTunnel>();
  private state: 'open' | 'draining' = 'open';
  private readonly lastOut = createLastOut(() => this.all.size === 0);

  constructor(options: TunnelPoolOptions) {
    this.options = options;
    this.settings = { ...defaults, ...options.settings };
  }

  async connect(target: TunnelTarget, authority: string, headers: ConnectHeaders): Promise<ConnectedStream> {
    const { nextHop } = target;
    for (let attempt = 1; ; attempt++) {
      if (this.state === 'draining') {
        const what = `CONNECT ${authority} to ${formatSocketAddress(nextHop)}`;
        throw new MeshError('DRAINED', `${what} was not sent: this proxy is shutting down`);
      }
      const { tunnel, age } = this.tunnelFor(target);
      const open = tunnel.open ?? (await tunnel.join());
      const call = { tunnel: open, authority, headers, timeoutMs: this.settings.answerTimeoutMs, nextHop };
      const outcome = await openConnectStream(call);
      if (outcome.kind === 'connected') {
        return {
          stream: outcome.stream,
          responseHeaders: outcome.responseHeaders,
          peer: open.peer,
          nextHop,
        };
      }
      if (attempt >= maxAttempts || !mayRetry(outcome, age)) throw outcome.error;
      if (outcome.fate === 'unanswered') tunnel.release();
    }
  }

  async drain(deadlineMs: number): Promise<void> {
    this.state = 'draining';
    for (const tunnel of this.all) tunnel.release();
    if (!(await this.lastOut.wait(deadlineMs))) this.close();
  }

  close(): void {
    this.state = 'draining';
    for (const tunnel of [...this.all]) tunnel.destroy();
  }

  private tunnelFor(target: TunnelTarget): { tunnel: PooledTunnel; age: 'new' | 'reused' } {
    const group = this.groupOf(target);
    const { tunnels } = group;
    const nowMs = this.settings.now();
    for (const tunnel of tunnels) if (tunnel.notAfterMs <= nowMs) tunnel.release();
    const { maxStreamsPerTunnel, maxBusyTunnels, maxTunnels } = this.settings;
    const growTo = nowMs < group.growAfterMs || this.all.size >= maxTunnels ? 0 : maxBusyTunnels;
    const choice = chooseTunnel(tunnels, maxStreamsPerTunnel, growTo);
    if (choice.kind === 'use-and-dial') this.addTunnel(target);
    if (choice.kind !== 'dial')
      return { tunnel: choice.tunnel, age: choice.tunnel.state === 'open' ? 'reused' : 'new' };
    this.makeRoom();
    return { tunnel: this.addTunnel(target), age: 'new' };
  }

  private addTunnel(target: TunnelTarget): PooledTunnel {
    // To make room, the last tunnel of the group may just have been released.
    const group = this.groupOf(target);
    const tunnel = this.dial(target, () => this.forget(group, tunnel));
    group.tunnels.add(tunnel);
    this.all.add(tunnel);
    return tunnel;
  }

  private groupOf(target: TunnelTarget): TunnelGroup {
    const ofHop = this.groups.get(target.nextHopUid) ?? [];
    for (const group of ofHop) if (mayShare(group.target, target)) return group;
    const group: TunnelGroup = { target, tunnels: new Set(), growAfterMs: 0 };
    this.groups.set(target.nextHopUid, [...ofHop, group]);
    return group;
  }

  private dial(target: TunnelTarget, onGone: () => void): PooledTunnel {
    const { sockets, certificates, revocations, log } = this.options;
    return new PooledTunnel(
      async (handlers) => {
        const certificate = await certificates.get(target.source);
        return dialTunnel({ target, certificate, sockets, revocations, settings: this.settings, handlers });
      },
      { idleTimeoutMs: this.settings.idleTimeoutMs, log, peerName: formatSocketAddress(target.nextHop), onGone },
    );
  }

  private makeRoom(): void {
    if (this.all.size < this.settings.maxTunnels) return;
    for (const tunnel of this.all) {
      if (tunnel.state !== 'open' || tunnel.streams > 0) continue;
      tunnel.release();
      return;
    }
  }

  private forget(group: TunnelGroup, tunnel: PooledTunnel): void {
    if (tunnel.open === undefined) group.growAfterMs = this.settings.now() + dialAgainMs;
    this.all.delete(tunnel);
    group.tunnels.delete(tunnel);
    if (group.tunnels.size === 0) this.forgetGroup(group);
    this.lastOut.left();
  }

  private forgetGroup(group: TunnelGroup): void {
    const { nextHopUid } = group.target;
    const others = this.groups.get(nextHopUid)?.filter((other) => other !== group) ?? [];
    if (others.length === 0) this.groups.delete(nextHopUid);
    else this.groups.set(nextHopUid, others);
  }
}

/** Tunnels between which a connection may choose. */
interface TunnelGroup {
  readonly target: TunnelTarget;
  readonly tunnels: Set<PooledTunnel>;
  /** None is dialled for congestion before; milliseconds since 1970. */
  growAfterMs: number;
}

/** No byte of the application was sent yet, so a tunnel that turns out to be dead when it is used again costs nothing. */
function mayRetry(outcome: Extract<ConnectOutcome, { kind: 'failed' }>, age: 'new' | 'reused'): boolean {
  return outcome.fate === 'unprocessed' || (outcome.fate === 'unanswered' && age === 'reused');
}
