// Gets workload certificates from a CA over Istio's CreateCertificate call (ztunnel.md §7): a fresh key and request for
// each, the token and the CA's root read anew each time. In: an identity. Out: its certificate, checked to be its own.
import { type Client, type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { MeshError } from '../errors.ts';
import type { CertificateIssuer } from '../identity/certificate.ts';
import type { Identity } from '../identity/identity.ts';
import { createSigningRequest } from '../identity/signing-request.ts';
import {
  type ControlPlane,
  isServiceError,
  openChannel,
  readCallMetadata,
  readRoot,
} from '../tls/grpc-channel-client.ts';
import { readChain } from './certificate-chain.ts';
import {
  type CertificateRequest,
  type CertificateResponse,
  createCertificatePath,
  decodeCertificateResponse,
  encodeCertificateRequest,
} from './citadel-codec.ts';

export interface CaClientOptions extends ControlPlane {
  /** `node`: asks on behalf of workloads (ImpersonatedIdentity); `workload`: asks for the token's own identity. */
  readonly askAs: 'node' | 'workload';
  /** Default 24 h. */
  readonly lifetimeMs?: number;
  /** How long one call may take; default 30 s. */
  readonly timeoutMs?: number;
}

export interface CaClient extends CertificateIssuer {
  close(): void;
}

const defaultLifetimeMs = 86_400_000;
const defaultTimeoutMs = 30_000;
/** A chain with many roots stays far below this. */
const maxAnswerBytes = 1_048_576;
const channelOptions = {
  'grpc.initial_reconnect_backoff_ms': 500,
  'grpc.max_reconnect_backoff_ms': 5_000,
  'grpc.max_receive_message_length': maxAnswerBytes,
};

export function createCaClient(options: CaClientOptions): CaClient {
  const channel = createChannel(options);
  const { askAs, lifetimeMs = defaultLifetimeMs, timeoutMs = defaultTimeoutMs } = options;

  return {
    async issue(identity) {
      const { csrPem, privateKeyPem } = await createSigningRequest(identity);
      const impersonated = askAs === 'node' ? identity.uri : undefined;
      const request = { csrPem, validitySeconds: Math.round(lifetimeMs / 1000), impersonated };
      try {
        const [client, metadata] = [await channel.current(), await readCallMetadata(options)];
        const { chain } = await createCertificate(client, request, metadata, Date.now() + timeoutMs);
        return { identity, privateKeyPem, ...readChain(identity, chain) };
      } catch (cause) {
        throw explain(identity, options.address, cause);
      }
    },
    close: () => channel.close(),
  };
}

interface Channel {
  current(): Promise<Client>;
  close(): void;
}

/** One connection, made anew when the root file has changed; an unreadable root leaves the one there is. */
function createChannel(options: CaClientOptions): Channel {
  let held: { readonly client: Client; readonly rootPem: string } | undefined;
  return {
    async current() {
      const rootPem = await readRoot(options, 'CA_ROOT_CA').catch((error: unknown) => {
        if (held === undefined) throw error;
        return held.rootPem;
      });
      if (held?.rootPem !== rootPem) {
        held?.client.close();
        held = { client: openChannel(options, rootPem, channelOptions), rootPem };
      }
      return held.client;
    },
    close() {
      held?.client.close();
      held = undefined;
    },
  };
}

function createCertificate(client: Client, request: CertificateRequest, metadata: Metadata, deadlineAtMs: number) {
  return new Promise<CertificateResponse>((resolve, reject) => {
    client.makeUnaryRequest(
      createCertificatePath,
      encodeCertificateRequest,
      (bytes: Buffer) => decodeCertificateResponse(bytes),
      request,
      metadata,
      { deadline: deadlineAtMs },
      (error, response) => (response === undefined ? reject(error) : resolve(response)),
    );
  });
}

const remedies: Partial<Record<status, string>> = {
  [status.UNAUTHENTICATED]: 'check the token (AUTH_TOKEN)',
  [status.PERMISSION_DENIED]: 'the CA knows this caller, but not as one for this identity',
  [status.UNAVAILABLE]: 'check that the CA runs at CA_ADDRESS and that CA_ROOT_CA holds its root',
  [status.DEADLINE_EXCEEDED]: 'check that the CA at CA_ADDRESS answers',
};

function explain(identity: Identity, address: string, cause: unknown): MeshError {
  if (cause instanceof MeshError && cause.code === 'IDENTITY_UNAVAILABLE') return cause;
  const reason = isServiceError(cause) ? describeStatus(cause) : cause instanceof Error ? cause.message : String(cause);
  return new MeshError(
    'IDENTITY_UNAVAILABLE',
    `no certificate for ${identity.uri} from the CA at ${address}: ${reason}`,
    {
      cause,
    },
  );
}

function describeStatus({ code, details }: ServiceError): string {
  const remedy = remedies[code];
  return `${status[code]}: ${details}${remedy === undefined ? '' : `; ${remedy}`}`;
}
