// Sockets of a pod, opened by a daemon outside it: in the pod's network namespace, marked so that the pod's own redirect
// rules leave them alone, with the source address of the client kept where that is possible. Source: ztunnel.md §5.5.
import { createServer, Socket } from 'node:net';
import { MeshError } from '../errors.ts';
import { MadeBefore } from '../made-before.ts';
import {
  formatSocketAddress,
  type IpAddress,
  ipFamily,
  ipFromBytes,
  isLoopback,
  type SocketAddress,
} from './address.ts';
import { adoptDatagrams, connectDatagrams } from './datagram-socket.ts';
import { HandleStream } from './handle-stream-socket.ts';
import * as linux from './linux-constants.ts';
import type { NetworkNamespace } from './network-namespace-socket.ts';
import { decodeSockaddr, encodeSockaddr } from './sockaddr-codec.ts';
import type { AcceptedStream, ConnectOptions, ListenOptions, SocketFactory } from './socket-factory.ts';
import { connectFailure, errnoOf, listenFailure } from './socket-failure.ts';
import { dialNearStream, dialStream, type NearTarget } from './stream-dialer.ts';
import type { TcpHandle } from './stream-handle-socket.ts';
import { type AcceptedDescriptor, type SystemCalls, systemCalls } from './system-calls-socket.ts';
import { acceptConnections, acceptedSocketOptions, listenName } from './tcp-accept-socket.ts';
import { keepAlive, whenConnected } from './tcp-connect-socket.ts';
import { listenHandles, localAddressOf } from './tcp-handle-socket.ts';

export interface PodSocketFactoryOptions {
  /** The factory closes it. 'own' is the one this process lives in (dedicated mode). */
  readonly namespace: NetworkNamespace | 'own';
  /** SO_MARK of every socket; accepted sockets inherit it. The redirect rules know ztunnel by 1337 (PACKET_MARK). */
  readonly mark?: number;
  /** SO_REUSEPORT on listeners, so that two ztunnels overlap during an upgrade (INPOD_PORT_REUSE). Default true. */
  readonly reusePort?: boolean;
  /** 'v4' binds 0.0.0.0 for 'any' (IPV6_ENABLED=false). Default 'both', which falls back to v4 where IPv6 is off. */
  readonly families?: 'both' | 'v4';
}

const backlog = 1024;
/** Without it the kernel takes megabytes: a message beside bulk came four times as late (test/bench/tunnel.ts, mouse8). */
const unsentBytes = 128 * 1024;
/** `manualStart` is not in node's documentation: without it node would read from the socket before it is connected. */
const podSocketOptions = { allowHalfOpen: true, noDelay: true, ...{ manualStart: true } };
const anyV4 = addressOf(new Uint8Array(4));
const anyV6 = addressOf(new Uint8Array(16));
const loopbackV4 = addressOf(Uint8Array.of(127, 0, 0, 1));

/** @throws MeshError where the native edge cannot be loaded (see `systemCalls`) */
export function createPodSocketFactory(options: PodSocketFactoryOptions): SocketFactory {
  const pod = new PodSockets(options, systemCalls());
  return {
    listenStreams: async (options, onAccept) => {
      const name = listenName(options, '*');
      const { descriptor, transparent } = pod.openListener(options, name);
      const acceptNext = (): AcceptedDescriptor | undefined => pod.acceptNext(descriptor);
      const listening = { descriptor, transparent, backlog, name, acceptNext };
      return listenHandles(listening, (handle, peer) => {
        const accepted = describe(pod, options, handle, peer);
        if (accepted !== undefined) onAccept(accepted);
        else if (handle.reset(ignore) !== 0) handle.close(ignore);
      });
    },
    connectStream: (options) =>
      options.within === 'pod' ? dialNearStream(pod, options) : dialStream((to) => pod.openConnector(to), options),
    listenSockets: async (options, onAccept) => {
      const name = listenName(options, '*');
      const { descriptor, transparent } = pod.openListener(options, name);
      // Inherited by what is accepted.
      pod.boundUnsent(descriptor);
      const acceptance = {
        options,
        transparent,
        // The backlog counts only as an argument of its own: node ignores it beside a descriptor.
        listen: () => void server.listen({ fd: descriptor }, backlog),
        originalDestination: (socket: Socket, local: SocketAddress) =>
          pod.redirectedFrom(descriptorOf(socket), local) ?? local,
      };
      const server = createServer(acceptedSocketOptions);
      return await acceptConnections(server, name, acceptance, onAccept);
    },
    connectSocket: async (options) => {
      const descriptor = pod.openConnector(options);
      pod.boundUnsent(descriptor);
      const socket = new Socket({ ...podSocketOptions, fd: descriptor });
      const { ip: host, port } = options.to;
      return await whenConnected(socket, options, () => void socket.connect({ host, port }));
    },
    bindDatagrams: async (address) => adoptDatagrams(pod.openDatagrams(address), address),
    connectDatagrams: async (to) => await connectDatagrams(to, pod.openDatagramConnector(to)),
    close: () => {
      if (options.namespace !== 'own') options.namespace.close();
    },
  };
}

/** Undefined for a peer that has already gone, and for one that dialled a listener which serves redirected ones only. */
function describe(
  pod: PodSockets,
  options: ListenOptions,
  handle: TcpHandle,
  peer: SocketAddress | undefined,
): AcceptedStream | undefined {
  if (peer === undefined) return undefined;
  const redirected = pod.redirectedFrom(handle.fd, peer);
  const local = redirected === undefined || redirected.port === options.port ? localAddressOf(handle) : undefined;
  const originalDestination = redirected ?? local;
  if (originalDestination === undefined) return undefined;
  if (options.accept === 'redirected' && originalDestination.port === local?.port) return undefined;
  return new AcceptedHandle(handle, peer, originalDestination, local);
}

class AcceptedHandle implements AcceptedStream {
  readonly peer: SocketAddress;
  readonly originalDestination: SocketAddress;
  readonly stream: HandleStream;
  private readonly handle: TcpHandle;
  private readonly knownLocal: SocketAddress | undefined;

  constructor(
    handle: TcpHandle,
    peer: SocketAddress,
    originalDestination: SocketAddress,
    knownLocal: SocketAddress | undefined,
  ) {
    this.handle = handle;
    this.peer = peer;
    this.originalDestination = originalDestination;
    this.knownLocal = knownLocal;
    this.stream = new HandleStream(handle, peer);
  }

  /** Asked of the kernel only where somebody wants to know. */
  get local(): SocketAddress {
    return this.knownLocal ?? localAddressOf(this.handle) ?? this.originalDestination;
  }
}

class PodSockets implements NearTarget {
  private readonly options: PodSocketFactoryOptions;
  private readonly calls: SystemCalls;
  /** To bind to; the same clients come again and again. */
  private readonly sources = new MadeBefore(1_024, (ip: IpAddress) => encodeSockaddr({ ip, port: 0 }));
  /** To connect to: the port is written before each use. */
  private readonly targets = new MadeBefore(1_024, (ip: IpAddress) => encodeSockaddr({ ip, port: 0 }));

  constructor(options: PodSocketFactoryOptions, calls: SystemCalls) {
    this.options = options;
    this.calls = calls;
  }

  /** Bound, not yet listening. */
  openListener(options: ListenOptions, name: string): { descriptor: number; transparent: boolean } {
    const [first, fallback] = this.listenAddresses(options.host);
    try {
      return this.openListenerOn({ ip: first, port: options.port }, options);
    } catch (error) {
      const v6IsOff = errnoOf(error) === 'EAFNOSUPPORT' || errnoOf(error) === 'EADDRNOTAVAIL';
      if (fallback === undefined || !v6IsOff) throw listenFailure(name, error);
    }
    try {
      return this.openListenerOn({ ip: fallback, port: options.port }, options);
    } catch (error) {
      throw listenFailure(name, error);
    }
  }

  prepare(options: ConnectOptions): number {
    return this.openConnector(options);
  }

  begin(descriptor: number, { ip, port }: SocketAddress): 'connected' | 'under way' {
    const sockaddr = this.targets.get(ip);
    sockaddr.writeUInt16BE(port, 2);
    return this.calls.beginConnect(descriptor, sockaddr);
  }

  close(descriptor: number): void {
    this.calls.close(descriptor);
  }

  /** Not yet connected. Only `socket()` itself depends on where the thread stands. */
  openConnector({ to, from, within }: ConnectOptions): number {
    try {
      return this.openSocket(ipFamily(to.ip), (descriptor) => {
        // A program on this kernel does not vanish without a word.
        if (within === undefined) this.keepAlive(descriptor);
        if (from !== undefined && from !== to.ip && ipFamily(from) === ipFamily(to.ip))
          this.bindSource(descriptor, from);
      });
    } catch (error) {
      throw connectFailure(formatSocketAddress(to), error);
    }
  }

  /** Bound. */
  openDatagrams(address: SocketAddress): number {
    const family = ipFamily(address.ip);
    const prepare = (descriptor: number): void => {
      if (this.options.reusePort !== false) this.calls.setOption(descriptor, linux.SOL_SOCKET, linux.SO_REUSEPORT, 1);
      if (family === 6) this.calls.setOption(descriptor, linux.SOL_IPV6, linux.IPV6_V6ONLY, 1);
      this.calls.bind(descriptor, encodeSockaddr(address));
    };
    try {
      return this.openSocket(family, prepare, linux.SOCK_DGRAM);
    } catch (error) {
      throw listenFailure(`${formatSocketAddress(address)} (UDP)`, error);
    }
  }

  /** Not yet connected. */
  openDatagramConnector(to: SocketAddress): number {
    const family = ipFamily(to.ip);
    // Without it the kernel keeps to itself that there is no way to that network or host.
    const prepare = (descriptor: number): void =>
      family === 4
        ? this.calls.setOption(descriptor, linux.SOL_IP, linux.IP_RECVERR, 1)
        : this.calls.setOption(descriptor, linux.SOL_IPV6, linux.IPV6_RECVERR, 1);
    try {
      return this.openSocket(family, prepare, linux.SOCK_DGRAM);
    } catch (error) {
      throw connectFailure(`${formatSocketAddress(to)} (UDP)`, error);
    }
  }

  acceptNext(listener: number): AcceptedDescriptor | undefined {
    try {
      return this.calls.accept(listener);
    } catch {
      // No descriptors left, or a client that has gone: libuv meets it in its own turn.
      return undefined;
    }
  }

  /** What was dialled before the kernel redirected it. @param end either end, for its family */
  redirectedFrom(descriptor: number | undefined, end: SocketAddress): SocketAddress | undefined {
    if (descriptor === undefined) return undefined;
    const v4 = ipFamily(end.ip) === 4;
    try {
      const level = v4 ? linux.SOL_IP : linux.SOL_IPV6;
      return decodeSockaddr(this.calls.getOption(descriptor, level, linux.SO_ORIGINAL_DST, v4 ? 16 : 28));
    } catch {
      // ENOENT: no rule in this namespace translates addresses, so there is nothing to undo.
      return undefined;
    }
  }

  private listenAddresses(host: ListenOptions['host']): readonly [IpAddress, IpAddress?] {
    if (host === 'loopback') return [loopbackV4];
    if (host !== 'any') return [host];
    return this.options.families === 'v4' ? [anyV4] : [anyV6, anyV4];
  }

  private openListenerOn(address: SocketAddress, options: ListenOptions): { descriptor: number; transparent: boolean } {
    const family = ipFamily(address.ip);
    let transparent = false;
    const descriptor = this.openSocket(family, (descriptor) => {
      this.calls.setOption(descriptor, linux.SOL_SOCKET, linux.SO_REUSEADDR, 1);
      if (this.options.reusePort !== false) this.calls.setOption(descriptor, linux.SOL_SOCKET, linux.SO_REUSEPORT, 1);
      if (family === 6)
        this.calls.setOption(descriptor, linux.SOL_IPV6, linux.IPV6_V6ONLY, address.ip === anyV6 ? 0 : 1);
      if (options.transparent === true) transparent = this.makeTransparent(descriptor, family);
      if (options.keepAlive === true) this.keepAlive(descriptor);
      // Inherited by what is accepted.
      this.calls.setOption(descriptor, linux.SOL_TCP, linux.TCP_NODELAY, 1);
      this.calls.bind(descriptor, encodeSockaddr(address));
    });
    return { descriptor, transparent };
  }

  private openSocket(family: 4 | 6, prepare: (descriptor: number) => void, type: number = linux.SOCK_STREAM): number {
    const { namespace, mark } = this.options;
    const create = () => this.calls.socket(family === 4 ? linux.AF_INET : linux.AF_INET6, type);
    const descriptor = namespace === 'own' ? create() : namespace.run(create);
    try {
      if (mark !== undefined) this.setMark(descriptor, mark);
      prepare(descriptor);
      return descriptor;
    } catch (error) {
      this.calls.close(descriptor);
      throw error;
    }
  }

  private setMark(descriptor: number, mark: number): void {
    try {
      this.calls.setOption(descriptor, linux.SOL_SOCKET, linux.SO_MARK, mark);
    } catch (cause) {
      const remedy = 'it needs CAP_NET_ADMIN or CAP_NET_RAW in the namespace';
      throw new MeshError('NOT_PERMITTED', `a socket cannot be marked ${mark} (${errnoOf(cause)}); ${remedy}`, {
        cause,
      });
    }
  }

  /** For sockets that many share: whatever comes waits behind all that the kernel has taken and cannot send yet. */
  boundUnsent(descriptor: number): void {
    this.calls.setOption(descriptor, linux.SOL_TCP, linux.TCP_NOTSENT_LOWAT, unsentBytes);
  }

  private keepAlive(descriptor: number): void {
    this.calls.setOption(descriptor, linux.SOL_SOCKET, linux.SO_KEEPALIVE, 1);
    this.calls.setOption(descriptor, linux.SOL_TCP, linux.TCP_KEEPIDLE, keepAlive.idleMs / 1000);
    this.calls.setOption(descriptor, linux.SOL_TCP, linux.TCP_KEEPINTVL, keepAlive.intervalMs / 1000);
    this.calls.setOption(descriptor, linux.SOL_TCP, linux.TCP_KEEPCNT, keepAlive.probes);
  }

  /** A dual-stack socket needs the option of either family. */
  private makeTransparent(descriptor: number, family: 4 | 6): boolean {
    try {
      if (family === 6) this.calls.setOption(descriptor, linux.SOL_IPV6, linux.IPV6_TRANSPARENT, 1);
      this.calls.setOption(descriptor, linux.SOL_IP, linux.IP_TRANSPARENT, 1);
      return true;
    } catch {
      return false;
    }
  }

  /** Best effort, as ztunnel: where it is not permitted, the application sees our address instead of its client's. */
  private bindSource(descriptor: number, source: IpAddress): void {
    const v4 = ipFamily(source) === 4;
    try {
      const level = v4 ? linux.SOL_IP : linux.SOL_IPV6;
      // A loopback address is everybody's own: it needs no permission, which may be lacking.
      if (!isLoopback(source)) {
        this.calls.setOption(descriptor, level, v4 ? linux.IP_TRANSPARENT : linux.IPV6_TRANSPARENT, 1);
        this.calls.setOption(descriptor, level, v4 ? linux.IP_FREEBIND : linux.IPV6_FREEBIND, 1);
      }
      this.calls.setOption(descriptor, linux.SOL_IP, linux.IP_BIND_ADDRESS_NO_PORT, 1);
      this.calls.bind(descriptor, this.sources.get(source));
    } catch {
      // Unbound: the kernel picks the source.
    }
  }
}

/** Node has no public way to the descriptor of an accepted socket; `_handle.fd` has been there since its beginning. */
function descriptorOf(socket: Socket): number | undefined {
  if (!('_handle' in socket)) return undefined;
  const handle = socket._handle;
  if (typeof handle !== 'object' || handle === null || !('fd' in handle)) return undefined;
  return typeof handle.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined;
}

function ignore(): void {
  // Nobody waits for it.
}

function addressOf(bytes: Uint8Array): IpAddress {
  const ip = ipFromBytes(bytes);
  if (ip === undefined) throw new TypeError(`${bytes.length} bytes are no address`);
  return ip;
}
