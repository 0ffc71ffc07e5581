// Dials one tunnel: TCP, mutual TLS, HTTP/2. In: the target, our certificate, sockets. Out: the connection and who answered.
import { MeshError } from '../errors.ts';
import { type ConnectionHandlers, Http2Connection } from '../http2/connection-socket.ts';
import { clientSettings, type FlowSettings } from '../http2/settings.ts';
import type { WorkloadCertificate } from '../identity/certificate.ts';
import type { Identity } from '../identity/identity.ts';
import { formatSocketAddress } from '../net/address.ts';
import type { SocketFactory } from '../net/socket-factory.ts';
import { handshakePace } from '../tls/handshake-pace.ts';
import type { PeerRevocations } from '../tls/peer-revocations-socket.ts';
import { secureAsClient } from '../tls/tls-client.ts';
import type { TunnelTarget } from './hbone.ts';

export interface TunnelTimes {
  /** TCP connect of a tunnel. Default 10 000. */
  readonly connectTimeoutMs: number;
  /** TLS handshake. Default 10 000. */
  readonly handshakeTimeoutMs: number;
  /** First PING, and between an answer and the next. Default 10 000. */
  readonly pingIntervalMs: number;
  /** Answer to a PING. Default 20 000. */
  readonly pingTimeoutMs: number;
}

export const defaultTunnelTimes: TunnelTimes = {
  connectTimeoutMs: 10_000,
  handshakeTimeoutMs: 10_000,
  pingIntervalMs: 10_000,
  pingTimeoutMs: 20_000,
};

export interface TunnelDial {
  readonly target: TunnelTarget;
  readonly certificate: WorkloadCertificate;
  readonly sockets: SocketFactory;
  readonly revocations?: PeerRevocations | undefined;
  readonly settings: TunnelTimes & { readonly flow: FlowSettings };
  readonly handlers: Pick<ConnectionHandlers, 'onStreamClosed' | 'onGoAway' | 'onClosed'>;
}

export interface OpenTunnel {
  readonly connection: Http2Connection;
  readonly peer: Identity;
  /** From when on one of the two certificates is no longer valid. */
  readonly notAfterMs: number;
}

/** @throws MeshError UPSTREAM_REFUSED, UPSTREAM_UNREACHABLE, TUNNEL_CONNECT_TIMEOUT, TLS_FAILED, PEER_IDENTITY_MISMATCH, CERTIFICATE_REVOKED */
export async function dialTunnel(dial: TunnelDial): Promise<OpenTunnel> {
  const { target, certificate, settings, handlers, revocations } = dial;
  const peerName = formatSocketAddress(target.nextHop);
  const socket = await connectSocket(dial, peerName);
  try {
    const timeoutMs = settings.handshakeTimeoutMs;
    await handshakePace.begin();
    const { expected } = target;
    const secured = await secureAsClient({ socket, certificate, expected, timeoutMs, peerName, revocations });
    const connection = new Http2Connection({
      socket: secured.socket,
      own: { ...clientSettings, ...settings.flow },
      peerName,
      pingIntervalMs: settings.pingIntervalMs,
      pingTimeoutMs: settings.pingTimeoutMs,
      handlers: { ...handlers, onRequest: refuseRequest },
    });
    const notAfterMs = Math.min(certificate.notAfterMs, secured.peerNotAfterMs);
    return { connection, peer: secured.peer, notAfterMs };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function connectSocket({ sockets, target, settings }: TunnelDial, peerName: string) {
  try {
    return await sockets.connectSocket({ to: target.nextHop, timeoutMs: settings.connectTimeoutMs });
  } catch (error) {
    if (!(error instanceof MeshError) || error.code !== 'UPSTREAM_CONNECT_TIMEOUT') throw error;
    throw new MeshError(
      'TUNNEL_CONNECT_TIMEOUT',
      `connection timed out, maybe a NetworkPolicy is blocking HBONE port ${target.nextHop.port}: deadline has elapsed: no answer from ${peerName} within ${settings.connectTimeoutMs} ms`,
      { cause: error },
    );
  }
}

/** The session lets no server open streams. */
function refuseRequest(): never {
  throw new MeshError('INTERNAL', 'a server opened a stream, which the session should have refused');
}
