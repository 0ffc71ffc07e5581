// The embedded CA of one mesh: a self-signed root that issues workload certificates and signs requests for them.
// Keys stay in memory; whoever has to last over a restart keeps its roots itself and hands one in (`restored`).
import { MeshError } from '../errors.ts';
import type { CertificateIssuer } from './certificate.ts';
import { readCertificate } from './certificate-facts.ts';
import { serverExtensions, validityFrom, workloadExtensions } from './certificate-template.ts';
import { readSigningRequest } from './csr.ts';
import type { Identity } from './identity.ts';
import { generateKeyPair, privateKeyToPem, signingAlgorithm } from './key-pair.ts';
import { createRoot, type Root, type RootPem, restoreRoot } from './root-certificate.ts';
import { randomSerialNumber } from './serial-number.ts';
import { x509 } from './x509.ts';

export interface CertificateAuthorityOptions {
  /** Only identities of this trust domain get a certificate. */
  readonly trustDomain: string;
  /** Milliseconds since 1970; default `Date.now`. */
  readonly now?: () => number;
  /** Validity of what is issued, and the most that a request gets; default 24 h. */
  readonly lifetimeMs?: number;
  /** A root kept from before; default: a fresh one. */
  readonly restored?: RootPem;
  /** PEM certificates of further roots that peers are to trust, while one root follows another. */
  readonly alsoTrusted?: readonly string[];
}

/** PEM texts for a TLS server. */
export interface ServerCertificate {
  readonly chainPem: string;
  readonly keyPem: string;
}

export interface CertificateAuthority extends CertificateIssuer {
  readonly trustDomain: string;
  readonly rootsPem: string;
  /** Certificate and private key of the root: secret. */
  readonly rootPem: RootPem;
  /**
   * Leaf and roots as PEM texts. `validitySeconds` of 0 or less means the CA's own lifetime.
   * @throws MeshError RESOURCE_INVALID for a bad request, IDENTITY_UNAVAILABLE for an identity of another trust domain
   */
  signCsr(csrPem: string, identity: Identity, validitySeconds: number): Promise<readonly string[]>;
  /** For a TLS endpoint of the mesh itself, by host names and IP addresses; valid for a year unless told otherwise. */
  issueServerCertificate(names: readonly string[], lifetimeMs?: number): Promise<ServerCertificate>;
}

const defaultLifetimeMs = 86_400_000;
const defaultServerLifetimeMs = 365 * 86_400_000;

/** @throws MeshError CONFIG_INVALID when the kept root cannot be used */
export async function createCertificateAuthority(options: CertificateAuthorityOptions): Promise<CertificateAuthority> {
  const { trustDomain, now = Date.now, lifetimeMs = defaultLifetimeMs, restored, alsoTrusted = [] } = options;
  const root = restored ? await restoreRoot(restored, now()) : await createRoot(trustDomain, now());
  const rootsPem = [root.certificatePem, ...alsoTrusted].join('');
  const sign = (publicKey: x509.PublicKeyType, extensions: x509.Extension[], validForMs: number) =>
    signLeaf(root, { publicKey, extensions, nowMs: now(), lifetimeMs: validForMs });

  return {
    trustDomain,
    rootsPem,
    rootPem: { keyPem: root.keyPem, certificatePem: root.certificatePem },

    async issue(identity) {
      assertTrustDomain(identity, trustDomain);
      const keys = await generateKeyPair();
      const chainPem = await sign(keys.publicKey, workloadExtensions(identity), lifetimeMs);
      const { notBeforeMs, notAfterMs } = readCertificate(chainPem);
      const privateKeyPem = await privateKeyToPem(keys.privateKey);
      return { identity, chainPem, privateKeyPem, rootsPem, notBeforeMs, notAfterMs };
    },

    async signCsr(csrPem, identity, validitySeconds) {
      assertTrustDomain(identity, trustDomain);
      const publicKey = await readSigningRequest(csrPem);
      const validForMs = validitySeconds > 0 ? Math.min(validitySeconds * 1000, lifetimeMs) : lifetimeMs;
      return [await sign(publicKey, workloadExtensions(identity), validForMs), rootsPem];
    },

    async issueServerCertificate(names, serverLifetimeMs = defaultServerLifetimeMs) {
      const keys = await generateKeyPair();
      const chainPem = await sign(keys.publicKey, serverExtensions(names), serverLifetimeMs);
      return { chainPem, keyPem: await privateKeyToPem(keys.privateKey) };
    },
  };
}

interface Leaf {
  readonly publicKey: x509.PublicKeyType;
  readonly extensions: readonly x509.Extension[];
  readonly nowMs: number;
  readonly lifetimeMs: number;
}

async function signLeaf(root: Root, leaf: Leaf): Promise<string> {
  const certificate = await x509.X509CertificateGenerator.create({
    ...validityFrom(leaf.nowMs, leaf.lifetimeMs, root.certificate.notAfter.getTime()),
    serialNumber: randomSerialNumber(),
    subject: [],
    issuer: root.certificate.subjectName,
    publicKey: leaf.publicKey,
    signingKey: root.signingKey,
    signingAlgorithm,
    extensions: [...leaf.extensions, await x509.AuthorityKeyIdentifierExtension.create(root.certificate.publicKey)],
  });
  return `${certificate.toString('pem')}\n`;
}

function assertTrustDomain(identity: Identity, trustDomain: string): void {
  if (identity.trustDomain === trustDomain) return;
  throw new MeshError(
    'IDENTITY_UNAVAILABLE',
    `no certificate for ${identity.uri}: this CA signs for the trust domain ${trustDomain} only; use that one or another CA`,
  );
}
