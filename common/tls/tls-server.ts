// Mutual TLS on an accepted socket, as the side that was dialled. In: socket and the certificate to show.
// Out: the secured socket and the verified client. The socket is destroyed where the handshake fails.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { MeshError } from '../errors.ts';
import type { WorkloadCertificate } from '../identity/certificate.ts';
import type { PeerRevocations } from './peer-revocations-socket.ts';
import { secureContextOf } from './secure-context-socket.ts';
import { serverOptions } from './server-options.ts';
import type { SecuredSocket } from './tls-client.ts';
import { tlsFailureText } from './tls-failure.ts';
import { tunnelProtocols } from './tls-parameters.ts';
import { verifyClient } from './verify-peer.ts';

export interface TlsAcceptance {
  readonly socket: Socket;
  readonly certificate: WorkloadCertificate;
  /** ALPN: the first of these that the client offers, who is refused when it offers others only. Default: those of a tunnel. */
  readonly protocols?: readonly string[];
  readonly timeoutMs: number;
  /** Who dialled, for messages. */
  readonly peerName: string;
  /** Watches the peer's certificates until the socket closes. */
  readonly revocations?: PeerRevocations | undefined;
}

/** @throws MeshError TLS_FAILED, PEER_IDENTITY_MISMATCH, CERTIFICATE_REVOKED */
export function secureAsServer(acceptance: TlsAcceptance): Promise<SecuredSocket> {
  const { socket: transport, certificate, protocols = tunnelProtocols, timeoutMs, peerName } = acceptance;
  return new Promise((resolve, reject) => {
    const socket = new TLSSocket(transport, serverOptions(secureContextOf(certificate), protocols));
    const end = (error: MeshError): void => {
      clearTimeout(deadline);
      socket.destroy();
      transport.destroy();
      reject(error);
    };
    const fail = (detail: string, code: 'TLS_FAILED' | 'PEER_IDENTITY_MISMATCH', cause?: unknown): void =>
      end(new MeshError(code, `TLS with ${peerName} failed: ${detail}`, { cause }));
    const onError = (error: Error): void => fail(tlsFailureText(error), 'TLS_FAILED', error);
    const onClose = (): void => fail('the peer closed the connection', 'TLS_FAILED');
    const deadline = setTimeout(() => fail(`no handshake within ${timeoutMs} ms`, 'TLS_FAILED'), timeoutMs);
    socket.on('error', onError);
    socket.on('close', onClose);
    // The socket allows half-open, so an end alone would leave it waiting for the deadline.
    socket.on('end', onClose);
    socket.once('secure', () => {
      clearTimeout(deadline);
      const chainError = chainErrorOf(socket);
      if (chainError) return fail(`the client's certificate was not accepted (${chainError})`, 'TLS_FAILED');
      const leaf = socket.getPeerCertificate();
      const verdict = verifyClient(leaf.subjectaltname, certificate.identity);
      if (verdict.kind === 'refused') return fail(verdict.detail, 'PEER_IDENTITY_MISMATCH');
      const { rootsPem } = certificate;
      const revoked = acceptance.revocations?.admit({ socket, rootsPem, reporter: 'destination', peerName });
      if (revoked !== undefined) return end(revoked);
      socket.off('close', onClose);
      socket.off('end', onClose);
      resolve({ socket, peer: verdict.identity, peerNotAfterMs: Date.parse(leaf.valid_to) });
    });
  });
}

/**
 * OpenSSL's verdict on the client's chain. Only `tls.Server` publishes it, and that cannot tell which accepted socket a
 * secured one stands on; so it is asked of the handle, and a handle that cannot say counts as a refusal.
 */
function chainErrorOf(socket: TLSSocket): string | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle !== 'object' || handle === null) return 'the connection is gone';
  const verifyError: unknown = Reflect.get(handle, 'verifyError');
  if (typeof verifyError !== 'function') return 'this version of Node does not tell';
  const error: unknown = verifyError.call(handle);
  if (error === null || error === undefined) return undefined;
  return error instanceof Error ? tlsFailureText(error) : String(error);
}
