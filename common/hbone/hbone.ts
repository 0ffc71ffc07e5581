// The tunnel as its users see it: one CONNECT stream is one application connection (ztunnel.md §3).
// Client side: `TunnelDialer.connect`. Server side: `ConnectRequest` values handed to an `onRequest` callback.
import type { MeshError } from '../errors.ts';
import type { Identity } from '../identity/identity.ts';
import type { IpAddress, SocketAddress } from '../net/address.ts';
import type { ByteStream } from '../net/byte-stream.ts';

/** Headers of a CONNECT request or response, lower-case names, in the order they are sent. */
export type ConnectHeaders = readonly (readonly [name: string, value: string])[];

export interface TunnelTarget {
  /** Where the TLS connection goes. */
  readonly nextHop: SocketAddress;
  /** Whose certificate we present. */
  readonly source: Identity;
  /** The peer must present one of these; empty always fails. */
  readonly expected: readonly Identity[];
  /** Tunnels are not shared between source addresses (ztunnel.md §3.5). */
  readonly sourceIp: IpAddress | undefined;
  /** Uid of the next hop, so that a reused address never reaches the wrong pod. */
  readonly nextHopUid: string;
}

export interface ConnectedStream {
  readonly stream: ByteStream;
  readonly responseHeaders: ConnectHeaders;
  /** Who answered, from its certificate. */
  readonly peer: Identity;
  readonly nextHop: SocketAddress;
}

export interface TunnelDialer {
  /**
   * Opens one CONNECT stream in a pooled tunnel and waits for its 200.
   * @param authority `ip:port`, `[ip]:port` or `hostname:port`
   * @throws MeshError TUNNEL_REFUSED (with the status), TUNNEL_LOST, TUNNEL_CONNECT_TIMEOUT, TLS_FAILED, PEER_IDENTITY_MISMATCH, CERTIFICATE_REVOKED, IDENTITY_UNAVAILABLE …
   */
  connect(target: TunnelTarget, authority: string, headers: ConnectHeaders): Promise<ConnectedStream>;
  /** Idle tunnels close now, busy ones when their last stream ends, all at the deadline. */
  drain(deadlineMs: number): Promise<void>;
  close(): void;
}

/** One CONNECT that a peer asked for. Exactly one of `accept` and `reject` must be called. */
export interface ConnectRequest {
  readonly method: string;
  /** Text of `:authority`, as sent. */
  readonly authority: string;
  readonly headers: ConnectHeaders;
  /** Verified: chains to our roots and is of our trust domain. */
  readonly peerIdentity: Identity | undefined;
  /** Identity whose certificate answered. */
  readonly localIdentity: Identity;
  readonly peerAddress: SocketAddress;
  /** The pod's address and 15008. */
  readonly localAddress: SocketAddress;
  /** Sends 200 with these headers and gives the stream. */
  accept(headers: ConnectHeaders): ByteStream;
  /** Answers with the status and no body; the stream ends. */
  reject(status: number): void;
  /** Called once if the peer goes before an answer was given; with the reason where its whole tunnel was lost. */
  onAbort(listener: (tunnelLoss: MeshError | undefined) => void): void;
}
