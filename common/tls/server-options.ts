// Options of the server's side of a tunnel's handshake (ztunnel.md §3.1): a client certificate is required.
// In: the context made of our certificate. Out: options of `new TLSSocket`.
import type { SecureContext, TLSSocketOptions } from 'node:tls';
import { alpnProtocol } from './tls-parameters.ts';

export function serverOptions(context: SecureContext): TLSSocketOptions {
  return {
    isServer: true,
    secureContext: context,
    ALPNProtocols: [alpnProtocol],
    requestCert: true,
    rejectUnauthorized: true,
  };
}
