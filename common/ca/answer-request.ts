// One CreateCertificate call, from what was asked to what is answered: chain or gRPC status with the reason. No sockets.
import { MeshError, type MeshErrorCode } from '../errors.ts';
import type { CertificateAuthority } from '../identity/certificate-authority.ts';
import { readRequestedUri } from '../identity/csr.ts';
import type { Identity } from '../identity/identity.ts';
import type { CertificateAsk, CertificateVerdict } from './authorize-request.ts';
import type { CertificateRequest } from './citadel-codec.ts';

export interface CaRules {
  readonly authority: Pick<CertificateAuthority, 'signCsr'>;
  readonly authorize: (ask: CertificateAsk) => CertificateVerdict | Promise<CertificateVerdict>;
}

export type CaAnswer =
  | { readonly kind: 'issued'; readonly identity: Identity; readonly chain: readonly string[] }
  | { readonly kind: 'refused'; readonly status: RefusalStatus; readonly reason: string };

/** Names of gRPC status codes. */
export type RefusalStatus =
  | 'UNAUTHENTICATED'
  | 'PERMISSION_DENIED'
  | 'INVALID_ARGUMENT'
  | 'FAILED_PRECONDITION'
  | 'UNAVAILABLE'
  | 'INTERNAL';

const statusOfFault = {
  unauthenticated: 'UNAUTHENTICATED',
  forbidden: 'PERMISSION_DENIED',
  malformed: 'INVALID_ARGUMENT',
  unavailable: 'UNAVAILABLE',
} as const;

const statusOfError: Partial<Record<MeshErrorCode, RefusalStatus>> = {
  RESOURCE_INVALID: 'INVALID_ARGUMENT',
  IDENTITY_UNAVAILABLE: 'FAILED_PRECONDITION',
  IO_FAILED: 'UNAVAILABLE',
};

/** @param token without its scheme */
export async function answerRequest(
  rules: CaRules,
  request: CertificateRequest,
  token: string | undefined,
): Promise<CaAnswer> {
  const { csrPem, impersonated, validitySeconds } = request;
  try {
    const verdict = await rules.authorize({ token, requested: readRequestedUri(csrPem), impersonated });
    if (verdict.kind === 'deny') {
      return { kind: 'refused', status: statusOfFault[verdict.fault], reason: verdict.reason };
    }
    const chain = await rules.authority.signCsr(csrPem, verdict.identity, validitySeconds);
    return { kind: 'issued', identity: verdict.identity, chain };
  } catch (error) {
    const status = error instanceof MeshError ? statusOfError[error.code] : undefined;
    return {
      kind: 'refused',
      status: status ?? 'INTERNAL',
      reason: error instanceof Error ? error.message : String(error),
    };
  }
}

/** The token of an `authorization` header: `Bearer <token>`. */
export function bearerToken(header: string | undefined): string | undefined {
  return /^bearer +(\S+)\s*$/i.exec(header ?? '')?.[1];
}
