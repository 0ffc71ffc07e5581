// A certificate for a connection that will not wait for ever. In: where certificates come from, whose, how long. Out: it, or why not.
import { MeshError } from '../errors.ts';
import type { CertificateSource, WorkloadCertificate } from './certificate.ts';
import type { Identity } from './identity.ts';

/** @throws MeshError IDENTITY_UNAVAILABLE */
export async function certificateInTime(
  certificates: CertificateSource,
  identity: Identity,
  timeoutMs: number,
): Promise<WorkloadCertificate> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const what = `no certificate for ${identity.uri} within ${timeoutMs} ms; is the CA reachable?`;
      reject(new MeshError('IDENTITY_UNAVAILABLE', what));
    }, timeoutMs);
  });
  try {
    return await Promise.race([certificates.get(identity), late]);
  } finally {
    clearTimeout(timer);
  }
}
