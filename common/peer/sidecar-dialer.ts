// Dials a sidecar as another sidecar would: TCP to the application's own port, Istio's mutual TLS, metadata exchange where it takes part.
// In: the address, our certificate, who may answer, what we tell. Out: the application's bytes, who answered, what it told.
import type { CertificateSource } from '../identity/certificate.ts';
import { certificateInTime } from '../identity/certificate-in-time.ts';
import type { Identity } from '../identity/identity.ts';
import { formatSocketAddress, type SocketAddress } from '../net/address.ts';
import type { SocketFactory } from '../net/socket-factory.ts';
import { streamOfTls } from '../net/tcp-stream-socket.ts';
import type { PeerRevocations } from '../tls/peer-revocations-socket.ts';
import { secureAsClient } from '../tls/tls-client.ts';
import { exchangePeers, type PeerExchange } from './exchange-peers.ts';
import type { ToldPeer } from './peer-exchange-codec.ts';
import { protocolsToSidecar } from './sidecar-protocols.ts';

export interface SidecarCall {
  readonly to: SocketAddress;
  /** Whose certificate we present. */
  readonly source: Identity;
  /** The peer must present one of these; empty always fails. */
  readonly expected: readonly Identity[];
  readonly own: ToldPeer;
  /** ALPN. Default: what a sidecar offers for TCP. */
  readonly protocols?: readonly string[];
}

export interface SidecarConnection extends PeerExchange {
  /** Who answered, from its certificate. */
  readonly peer: Identity;
}

/** What a dial needs of the proxy that dials. */
export interface SidecarDialing {
  readonly sockets: SocketFactory;
  readonly certificates: CertificateSource;
  /** Peers are held to them, where there are any. */
  readonly revocations?: PeerRevocations | undefined;
}

const handshakeTimeoutMs = 10_000;

/**
 * @throws MeshError UPSTREAM_REFUSED, UPSTREAM_UNREACHABLE, UPSTREAM_CONNECT_TIMEOUT, IDENTITY_UNAVAILABLE, TLS_FAILED,
 * PEER_IDENTITY_MISMATCH, CERTIFICATE_REVOKED
 */
export async function dialSidecar(
  { sockets, certificates, revocations }: SidecarDialing,
  { to, source, expected, own, protocols = protocolsToSidecar }: SidecarCall,
): Promise<SidecarConnection> {
  const certificate = await certificateInTime(certificates, source, handshakeTimeoutMs);
  const transport = await sockets.connectSocket({ to });
  const { socket, peer } = await secureAsClient({
    socket: transport,
    certificate,
    expected,
    protocols,
    timeoutMs: handshakeTimeoutMs,
    revocations,
    peerName: `the sidecar at ${formatSocketAddress(to)}`,
  });
  return { peer, ...exchangePeers(streamOfTls(socket, transport), { alpn: socket.alpnProtocol || undefined, own }) };
}
