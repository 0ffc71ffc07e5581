// How everything above the sockets gets them: for one pod (its network namespace, mark, source address) or for this
// process itself. Above this interface there are no namespaces. Failures are MeshErrors that name the address.
import type { Socket } from 'node:net';
import type { IpAddress, SocketAddress } from './address.ts';

export interface AcceptedSocket {
  /** Paused, allowHalfOpen, TCP_NODELAY. For plain TCP wrap it with `streamOfSocket`; for TLS hand it to node:tls. */
  readonly socket: Socket;
  readonly peer: SocketAddress;
  /** The local end as the kernel sees it after redirection. */
  readonly local: SocketAddress;
  /** What the peer dialled, from SO_ORIGINAL_DST; `local` when the connection was not redirected. */
  readonly originalDestination: SocketAddress;
}

export interface ListenOptions {
  readonly port: number;
  /** 'any' binds the wildcard of both families (or the pod's own address where pods share a namespace). */
  readonly host: 'any' | 'loopback' | IpAddress;
  /** IP_TRANSPARENT is attempted, which later lets `connect` keep the original source. Default false. */
  readonly transparent?: boolean;
  /** TCP keepalive on accepted sockets. Default false. */
  readonly keepAlive?: boolean;
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
  /** Default 10 000. */
  readonly timeoutMs?: number;
}

export interface SocketFactory {
  /** @throws MeshError ADDRESS_IN_USE, NOT_PERMITTED, IO_FAILED */
  listen(options: ListenOptions, onAccept: (accepted: AcceptedSocket) => void): Promise<Listener>;
  /** A connected, paused socket with TCP_NODELAY and keepalive. @throws MeshError UPSTREAM_REFUSED, UPSTREAM_UNREACHABLE, UPSTREAM_CONNECT_TIMEOUT */
  connect(options: ConnectOptions): Promise<Socket>;
  /** Closes what the factory itself holds (the namespace's descriptor). Listeners are closed by who opened them. */
  close(): void;
}
