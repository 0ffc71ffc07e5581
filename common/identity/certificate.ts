// What a workload needs to speak mutual TLS, and the ports through which it is got.
import type { Identity } from './identity.ts';

/** PEM texts; the private key never leaves this process' memory. */
export interface WorkloadCertificate {
  readonly identity: Identity;
  /** Leaf first, then intermediates, no root. */
  readonly chainPem: string;
  readonly privateKeyPem: string;
  /** The roots that came with the chain: peers are verified against these (ztunnel.md §7). */
  readonly rootsPem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Turns an identity into a certificate: the embedded CA, or the client of Istio's CreateCertificate call. */
export interface CertificateIssuer {
  /** @throws MeshError IDENTITY_UNAVAILABLE, naming the identity and the reason */
  issue(identity: Identity): Promise<WorkloadCertificate>;
}

/** Current certificates by identity: cached, one fetch in flight each, rotated at half of their validity. */
export interface CertificateSource {
  /** @throws MeshError IDENTITY_UNAVAILABLE */
  get(identity: Identity): Promise<WorkloadCertificate>;
  /** What is cached, for config_dump. */
  list(): readonly WorkloadCertificate[];
  close(): void;
}
