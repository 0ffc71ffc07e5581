// Options of the server's side of a tunnel's handshake (ztunnel.md §3.1): a client certificate is required.
// In: the context made of our certificate, protocols in our order. Out: options of `new TLSSocket`.
import type { SecureContext, TLSSocketOptions } from 'node:tls';

export function serverOptions(context: SecureContext, protocols: readonly string[]): TLSSocketOptions {
  return {
    isServer: true,
    secureContext: context,
    ALPNProtocols: [...protocols],
    requestCert: true,
    rejectUnauthorized: true,
  };
}
