// Mutual TLS on a connected socket, as the side that dialled. In: socket, our certificate, the identities that may answer.
// Out: the secured socket and who answered. The socket is destroyed where the handshake fails.
import type { Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { MeshError } from '../errors.ts';
import type { WorkloadCertificate } from '../identity/certificate.ts';
import type { Identity } from '../identity/identity.ts';
import { clientOptions } from './client-options.ts';
import type { PeerRevocations } from './peer-revocations-socket.ts';
import { secureContextOf } from './secure-context-socket.ts';
import { tlsFailureText } from './tls-failure.ts';
import { tunnelProtocols } from './tls-parameters.ts';
import { verifyServer } from './verify-peer.ts';

export interface TlsHandshake {
  readonly socket: Socket;
  readonly certificate: WorkloadCertificate;
  readonly expected: readonly Identity[];
  /** ALPN, in the order of preference; a server may pick none. Default: those of a tunnel. */
  readonly protocols?: readonly string[];
  readonly timeoutMs: number;
  /** Who is dialled, for messages. */
  readonly peerName: string;
  /** Watches the peer's certificates until the socket closes. */
  readonly revocations?: PeerRevocations | undefined;
}

export interface SecuredSocket {
  readonly socket: TLSSocket;
  readonly peer: Identity;
  /** When the peer's certificate ends, milliseconds since 1970. */
  readonly peerNotAfterMs: number;
}

/** @throws MeshError TLS_FAILED, PEER_IDENTITY_MISMATCH, CERTIFICATE_REVOKED, TUNNEL_CONNECT_TIMEOUT */
export function secureAsClient(handshake: TlsHandshake): Promise<SecuredSocket> {
  const { socket: transport, certificate, expected, protocols = tunnelProtocols, timeoutMs, peerName } = handshake;
  const { revocations } = handshake;
  const context = secureContextOf(certificate);
  return new Promise((resolve, reject) => {
    const socket = connect(clientOptions({ socket: transport, context, expected, protocols }));
    const fail = (error: MeshError): void => {
      clearTimeout(deadline);
      socket.destroy();
      transport.destroy();
      reject(error);
    };
    const onError = (error: Error): void => fail(handshakeError(error, handshake));
    const onClose = (): void => onError(new Error('the peer closed the connection'));
    const deadline = setTimeout(() => {
      fail(new MeshError('TUNNEL_CONNECT_TIMEOUT', `no TLS handshake with ${peerName} within ${timeoutMs} ms`));
    }, timeoutMs);
    socket.on('error', onError);
    socket.on('close', onClose);
    socket.on('end', onClose);
    socket.once('secureConnect', () => {
      clearTimeout(deadline);
      const leaf = socket.getPeerCertificate();
      const verdict = verifyServer(leaf.subjectaltname, expected);
      if (verdict.kind === 'refused') return onError(new MeshError('PEER_IDENTITY_MISMATCH', verdict.detail));
      const revoked = revocations?.admit({ socket, rootsPem: certificate.rootsPem, reporter: 'source', peerName });
      if (revoked !== undefined) return fail(revoked);
      socket.off('close', onClose);
      socket.off('end', onClose);
      resolve({ socket, peer: verdict.identity, peerNotAfterMs: Date.parse(leaf.valid_to) });
    });
  });
}

function handshakeError(error: Error, { peerName, certificate, expected }: TlsHandshake): MeshError {
  if (error instanceof MeshError) {
    return new MeshError(error.code, `TLS with ${peerName}: ${error.message}`, { cause: error });
  }
  const wanted = expected.map((identity) => identity.uri).join(',') || 'nobody';
  return new MeshError(
    'TLS_FAILED',
    `TLS with ${peerName} failed: ${tlsFailureText(error)} (expected ${wanted}, presented ${certificate.identity.uri}); both ends need certificates of one root`,
    { cause: error },
  );
}
