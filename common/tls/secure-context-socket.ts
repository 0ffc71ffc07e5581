// The OpenSSL context of a workload's certificate, made once for each: parsing keys and chains costs more than a handshake's JavaScript.
// In: a certificate. Out: a context that lives as long as the certificate object does.
import { createSecureContext, type SecureContext } from 'node:tls';
import { MeshError } from '../errors.ts';
import type { WorkloadCertificate } from '../identity/certificate.ts';
import { secureContextOptions } from './tls-parameters.ts';

const contexts = new WeakMap<WorkloadCertificate, SecureContext>();

/** @throws MeshError TLS_FAILED when the key, chain or roots cannot be used */
export function secureContextOf(certificate: WorkloadCertificate): SecureContext {
  const known = contexts.get(certificate);
  if (known) return known;
  try {
    const context = createSecureContext(secureContextOptions(certificate));
    contexts.set(certificate, context);
    return context;
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new MeshError('TLS_FAILED', `the certificate of ${certificate.identity.uri} cannot be used: ${detail}`, {
      cause,
    });
  }
}
