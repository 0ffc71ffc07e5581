// Options of the client's side of a tunnel's handshake (ztunnel.md §3.1): no server name, no resumption, own certificate shown.
// In: the connected socket, the context made of our certificate, who is expected. Out: options of `tls.connect`.
import type { Socket } from 'node:net';
import type { ConnectionOptions, SecureContext } from 'node:tls';
import { MeshError } from '../errors.ts';
import type { Identity } from '../identity/identity.ts';
import { verifyServer } from './verify-peer.ts';

export interface TlsClientFacts {
  readonly socket: Socket;
  readonly context: SecureContext;
  readonly expected: readonly Identity[];
  readonly protocols: readonly string[];
}

export function clientOptions({ socket, context, expected, protocols }: TlsClientFacts): ConnectionOptions {
  return {
    socket,
    secureContext: context,
    ALPNProtocols: [...protocols],
    rejectUnauthorized: true,
    // Replaces the check of host names: a workload is known by its SPIFFE identity only.
    checkServerIdentity(_host, peer) {
      const verdict = verifyServer(peer.subjectaltname, expected);
      if (verdict.kind === 'verified') return undefined;
      return new MeshError('PEER_IDENTITY_MISMATCH', `identity verification error: ${verdict.detail}`);
    },
  };
}
