// Gets workload certificates from a CA over Istio's CreateCertificate call (ztunnel.md §7): a fresh key and request for
// each, the token and the CA's root read anew each time. In: an identity. Out: its certificate, checked to be its own.
import { MeshError } from '../errors.ts';
import { createGrpcChannel } from '../grpc/grpc-channel-client.ts';
import { describeGrpcFailure, GrpcFailure, grpcStatus } from '../grpc/grpc-status.ts';
import type { CertificateIssuer } from '../identity/certificate.ts';
import type { Identity } from '../identity/identity.ts';
import { createSigningRequest } from '../identity/signing-request.ts';
import { type ControlPlane, readCallHeaders, readRoot } from '../tls/control-plane-client.ts';
import { readChain } from './certificate-chain.ts';
import { createCertificatePath, decodeCertificateResponse, encodeCertificateRequest } from './citadel-codec.ts';

export interface CaClientOptions extends ControlPlane {
  /** `node`: asks on behalf of workloads (ImpersonatedIdentity); `workload`: asks for the token's own identity. */
  readonly askAs: 'node' | 'workload';
  /** Default 24 h. */
  readonly lifetimeMs?: number;
  /** How long one call may take; default 30 s. */
  readonly timeoutMs?: number;
  /** How long its connection stands without calls; default 20 s. */
  readonly idleMs?: number;
}

export interface CaClient extends CertificateIssuer {
  close(): void;
}

const defaultLifetimeMs = 86_400_000;
const defaultTimeoutMs = 30_000;
/** A chain with many roots stays far below this. */
const maxAnswerBytes = 1_048_576;

/** Its calls share one connection. */
export function createCaClient(options: CaClientOptions): CaClient {
  const channel = createGrpcChannel(options);
  const root = createRootReader(options);
  const { askAs, lifetimeMs = defaultLifetimeMs, timeoutMs = defaultTimeoutMs } = options;

  return {
    async issue(identity) {
      const { csrPem, privateKeyPem } = await createSigningRequest(identity);
      const impersonated = askAs === 'node' ? identity.uri : undefined;
      const validitySeconds = Math.round(lifetimeMs / 1000);
      try {
        const answer = await channel.call({
          rootPem: await root.read(),
          path: createCertificatePath,
          headers: await readCallHeaders(options),
          message: encodeCertificateRequest({ csrPem, validitySeconds, impersonated }),
          maxMessageBytes: maxAnswerBytes,
          timeoutMs,
        });
        return { identity, privateKeyPem, ...readChain(identity, decodeCertificateResponse(answer).chain) };
      } catch (cause) {
        throw explain(identity, options.address, cause);
      }
    },
    close: () => channel.close(),
  };
}

/** An unreadable root leaves the one there is. */
function createRootReader(options: CaClientOptions): { read(): Promise<string> } {
  let last: string | undefined;
  return {
    async read() {
      const rootPem = await readRoot(options, 'CA_ROOT_CA').catch((error: unknown) => {
        if (last === undefined) throw error;
        return last;
      });
      last = rootPem;
      return rootPem;
    },
  };
}

const remedies: Partial<Record<number, string>> = {
  [grpcStatus.unauthenticated]: 'check the token (AUTH_TOKEN)',
  [grpcStatus.permissionDenied]: 'the CA knows this caller, but not as one for this identity',
  [grpcStatus.unavailable]: 'check that the CA runs at CA_ADDRESS and that CA_ROOT_CA holds its root',
  [grpcStatus.deadlineExceeded]: 'check that the CA at CA_ADDRESS answers',
};

function explain(identity: Identity, address: string, cause: unknown): MeshError {
  if (cause instanceof MeshError && cause.code === 'IDENTITY_UNAVAILABLE') return cause;
  const message = `no certificate for ${identity.uri} from the CA at ${address}: ${reasonOf(cause)}`;
  return new MeshError('IDENTITY_UNAVAILABLE', message, { cause });
}

function reasonOf(cause: unknown): string {
  if (cause instanceof GrpcFailure) return describeGrpcFailure(cause, remedies);
  return cause instanceof Error ? cause.message : String(cause);
}
