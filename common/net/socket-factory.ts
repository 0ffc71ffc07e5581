// How everything above the sockets gets them: for one pod (its network namespace, mark, source address) or for this
// process itself. Above this interface there are no namespaces. Failures are MeshErrors that name the address.
import type { Socket as DatagramSocket } from 'node:dgram';
import type { Socket } from 'node:net';
import type { IpAddress, SocketAddress } from './address.ts';
import type { ByteStream } from './byte-stream.ts';

interface Accepted {
  readonly peer: SocketAddress;
  /** The local end as the kernel sees it after redirection. */
  readonly local: SocketAddress;
  /** What the peer dialled, from SO_ORIGINAL_DST; `local` when the connection was not redirected. */
  readonly originalDestination: SocketAddress;
}

export interface AcceptedStream extends Accepted {
  readonly stream: AcceptedByteStream;
}

export interface AcceptedByteStream extends ByteStream {
  /**
   * The same connection as `AcceptedSocket` has it, for whoever finds TLS in it. Nothing may have been written, and nothing else happens
   * to the stream from then on.
   * @param start what the stream has given so far: it is read again
   * @returns undefined when the connection is over
   */
  takeSocket(start: Buffer): Socket | undefined;
}

/** Paused, allowHalfOpen, TCP_NODELAY: for node:tls to take over. */
export interface AcceptedSocket extends Accepted {
  readonly socket: Socket;
}

export interface ListenOptions {
  readonly port: number;
  /** 'any' binds the wildcard of both families (or the pod's own address where pods share a namespace). */
  readonly host: 'any' | 'loopback' | IpAddress;
  /** IP_TRANSPARENT is attempted, which later lets `connect` keep the original source. Default false. */
  readonly transparent?: boolean;
  /** TCP keepalive on accepted sockets. Default false. */
  readonly keepAlive?: boolean;
  /**
   * 'redirected' resets connections that dialled this listener itself (their original destination has its own port):
   * forwarding one would loop. Default 'all'.
   */
  readonly accept?: 'all' | 'redirected';
}

export interface Listener {
  readonly address: SocketAddress;
  /** Whether IP_TRANSPARENT was granted. */
  readonly transparent: boolean;
  /** Stops accepting; sockets already accepted live on. */
  close(): Promise<void>;
}

export interface ConnectOptions {
  readonly to: SocketAddress;
  /** Connect from this address (transparent where it is not ours); best effort, as ztunnel. */
  readonly from?: IpAddress;
  /** The target is in the pod itself, whose kernel answers at once. Default false. */
  readonly within?: 'pod';
  /** Default 10 000. */
  readonly timeoutMs?: number;
}

/** Streams are for bytes that we carry as they are (they may stand on raw handles); sockets are for TLS on top. */
export interface SocketFactory {
  /** @throws MeshError ADDRESS_IN_USE, NOT_PERMITTED, IO_FAILED */
  listenStreams(options: ListenOptions, onAccept: (accepted: AcceptedStream) => void): Promise<Listener>;
  listenSockets(options: ListenOptions, onAccept: (accepted: AcceptedSocket) => void): Promise<Listener>;
  /** Connected, with TCP_NODELAY and keepalive. @throws MeshError UPSTREAM_REFUSED, UPSTREAM_UNREACHABLE, UPSTREAM_CONNECT_TIMEOUT */
  connectStream(options: ConnectOptions): Promise<ByteStream>;
  connectSocket(options: ConnectOptions): Promise<Socket>;
  /** UDP, bound to this very address. Messages come once somebody listens to them. @throws MeshError as `listenStreams` */
  bindDatagrams(address: SocketAddress): Promise<DatagramSocket>;
  /** UDP from a port of the kernel's choice; the socket hears this peer only. @throws MeshError UPSTREAM_UNREACHABLE, IO_FAILED */
  connectDatagrams(to: SocketAddress): Promise<DatagramSocket>;
  /** Closes what the factory itself holds (the namespace's descriptor). Listeners are closed by who opened them. */
  close(): void;
}
