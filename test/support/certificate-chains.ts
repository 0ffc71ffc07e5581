// Chains and revocation lists for tests: an authority below another one, certificates that it issues, lists that either signs.
import { createPublicKey } from 'node:crypto';
import type { WorkloadCertificate } from '../../common/identity/certificate.ts';
import { createCertificateAuthority } from '../../common/identity/certificate-authority.ts';
import { rootExtensions, validityFrom } from '../../common/identity/certificate-template.ts';
import type { Identity } from '../../common/identity/identity.ts';
import {
  generateKeyPair,
  privateKeyFromPem,
  privateKeyToPem,
  signingAlgorithm,
} from '../../common/identity/key-pair.ts';
import type { RootPem } from '../../common/identity/root-certificate.ts';
import { randomSerialNumber } from '../../common/identity/serial-number.ts';
import { x509 } from '../../common/identity/x509.ts';

const dayMs = 86_400_000;

export interface IntermediateFacts {
  readonly organization?: string;
  /** Whose name and key it has: a second certificate of the same authority. */
  readonly like?: RootPem;
  readonly extensions?: readonly x509.Extension[];
}

export async function createIntermediate(root: RootPem, facts: IntermediateFacts = {}): Promise<RootPem> {
  const { organization = 'intermediate', like, extensions = rootExtensions() } = facts;
  const keyPem = like?.keyPem ?? (await privateKeyToPem((await generateKeyPair()).privateKey));
  const before = like && new x509.X509Certificate(like.certificatePem);
  const certificate = await x509.X509CertificateGenerator.create({
    ...validityFrom(Date.now(), 30 * dayMs, Number.POSITIVE_INFINITY),
    serialNumber: randomSerialNumber(),
    subject: before?.subjectName ?? [{ O: [organization] }],
    issuer: new x509.X509Certificate(root.certificatePem).subjectName,
    publicKey: new x509.PublicKey(createPublicKey(keyPem).export({ type: 'spki', format: 'der' })),
    signingKey: await privateKeyFromPem(root.keyPem),
    signingAlgorithm,
    extensions: [...extensions],
  });
  return { certificatePem: `${certificate.toString('pem')}\n`, keyPem };
}

/** Shows the leaf and its issuer, trusts the root. */
export async function issueBelow(issuer: RootPem, rootsPem: string, identity: Identity): Promise<WorkloadCertificate> {
  const authority = await createCertificateAuthority({ trustDomain: identity.trustDomain, restored: issuer });
  const issued = await authority.issue(identity);
  return { ...issued, chainPem: issued.chainPem + issuer.certificatePem, rootsPem };
}

export interface CrlFacts {
  /** Signs; whose name the list has, unless told otherwise. */
  readonly issuer: RootPem;
  readonly named?: RootPem;
  /** The first certificate of each text. */
  readonly revoked: readonly string[];
  /** Default: until tomorrow. */
  readonly nextUpdate?: Date;
}

/** @returns DER */
export async function createCrl({ issuer, named = issuer, revoked, nextUpdate }: CrlFacts) {
  const { publicKey } = new x509.X509Certificate(issuer.certificatePem);
  const number = new x509.Extension('2.5.29.20', false, Buffer.of(2, 1, 1));
  const list = await x509.X509CrlGenerator.create({
    issuer: new x509.X509Certificate(named.certificatePem).subjectName,
    thisUpdate: new Date(Date.now() - 2 * dayMs),
    nextUpdate: nextUpdate ?? new Date(Date.now() + dayMs),
    entries: revoked.map((pem) => ({
      serialNumber: new x509.X509Certificate(pem).serialNumber,
      revocationDate: new Date(),
      reason: x509.X509CrlReason.keyCompromise,
    })),
    // Every list has both (RFC 5280 §5.2); Istio's ztunnel insists on it.
    extensions: [await x509.AuthorityKeyIdentifierExtension.create(publicKey), number],
    signingKey: await privateKeyFromPem(issuer.keyPem),
    signingAlgorithm,
  });
  return Buffer.from(list.rawData);
}

export async function createCrlPem(facts: CrlFacts): Promise<string> {
  const lines = (await createCrl(facts)).toString('base64').replace(/.{64}/g, '$&\n');
  return `-----BEGIN X509 CRL-----\n${lines}\n-----END X509 CRL-----\n`;
}
