// What both ends of a tunnel agree on: TLS 1.3 only, the two AES-GCM suites, ALPN h2, nothing resumed (ztunnel.md §3.1).
// In: a workload's certificate. Out: options of `tls.createSecureContext`.
import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import type { WorkloadCertificate } from '../identity/certificate.ts';

export const tunnelProtocols: readonly string[] = ['h2'];

/** The peer's chain is verified against the roots that came with our own certificate. */
export function secureContextOptions(certificate: WorkloadCertificate): SecureContextOptions {
  return {
    key: certificate.privateKeyPem,
    cert: certificate.chainPem,
    ca: certificate.rootsPem,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256',
    // A resumed session would skip the check of a certificate that has expired or changed since.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
