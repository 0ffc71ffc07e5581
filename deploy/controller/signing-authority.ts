// What signs with the current roots: workloads' certificates, and the CA server's own. In: the roots, each time they were
// read. Out: signatures, refused when nobody has seen the roots for too long.
import { MeshError } from '../../common/errors.ts';
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type ServerCertificate,
} from '../../common/identity/certificate-authority.ts';
import { readCertificate } from '../../common/identity/certificate-facts.ts';
import { alsoTrusted, type RootSet, rootsEqual } from '../../common/identity/root-set.ts';
import { refreshTime } from '../../common/identity/rotation-plan.ts';

export interface SigningAuthorityOptions {
  readonly trustDomain: string;
  /** Of what is issued, at most. */
  readonly lifetimeMs: number;
  /** Roots that were read longer ago than this may have been replaced: nothing is signed with them. */
  readonly maxAgeMs: number;
  readonly serverNames: readonly string[];
  readonly now: () => number;
}

export interface SigningAuthority extends Pick<CertificateAuthority, 'signCsr'> {
  /** @throws MeshError CONFIG_INVALID when key and certificate do not belong together; the roots before stay in use */
  adopt(set: RootSet): Promise<void>;
  /** A new one when the signing root has changed or half of its life is over; else the same as before. */
  serverCertificate(): Promise<ServerCertificate>;
}

export function createSigningAuthority(options: SigningAuthorityOptions): SigningAuthority {
  const { trustDomain, lifetimeMs, maxAgeMs, serverNames, now } = options;
  let adopted:
    | { readonly set: RootSet; readonly authority: CertificateAuthority; readonly readAtMs: number }
    | undefined;
  let served: { readonly tls: ServerCertificate; readonly issuerPem: string; readonly renewAtMs: number } | undefined;

  const current = (): CertificateAuthority => {
    if (adopted === undefined)
      throw new MeshError('IO_FAILED', 'the roots of this CA have not been read yet; try again');
    const ageMs = now() - adopted.readAtMs;
    if (ageMs <= maxAgeMs) return adopted.authority;
    throw new MeshError(
      'IO_FAILED',
      `the roots of this CA were last read ${Math.round(ageMs / 1000)} s ago, more than the ${maxAgeMs / 1000} s for which they are sure; check the API server`,
    );
  };

  return {
    async adopt(set) {
      const known = adopted !== undefined && rootsEqual(adopted.set, set) ? adopted.authority : undefined;
      const restored = set.signing;
      const authority =
        known ??
        (await createCertificateAuthority({ trustDomain, lifetimeMs, now, restored, alsoTrusted: alsoTrusted(set) }));
      adopted = { set, authority, readAtMs: now() };
    },
    signCsr: async (...request) => current().signCsr(...request),
    async serverCertificate() {
      const authority = current();
      const issuerPem = authority.rootPem.certificatePem;
      if (served?.issuerPem === issuerPem && now() < served.renewAtMs) return served.tls;
      const tls = await authority.issueServerCertificate(serverNames, lifetimeMs);
      served = { tls, issuerPem, renewAtMs: refreshTime(readCertificate(tls.chainPem), now(), 0) };
      return tls;
    },
  };
}
