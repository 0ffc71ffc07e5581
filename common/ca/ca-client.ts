// Gets workload certificates from a CA over Istio's CreateCertificate call (ztunnel.md §7): a fresh key and request for
// each, the token and the CA's root read anew each time. In: an identity. Out: its certificate, checked to be its own.
import { readFile } from 'node:fs/promises';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { MeshError } from '../errors.ts';
import type { CertificateIssuer } from '../identity/certificate.ts';
import { createSigningRequest } from '../identity/csr.ts';
import type { Identity } from '../identity/identity.ts';
import { parseIp } from '../net/address.ts';
import { readChain } from './certificate-chain.ts';
import {
  type CertificateRequest,
  type CertificateResponse,
  createCertificatePath,
  decodeCertificateResponse,
  encodeCertificateRequest,
} from './citadel-codec.ts';

/** A text given as it is, or a file that may change while we run. */
export type TextSource =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'file'; readonly path: string };

export interface CaClientOptions {
  /** `https://host:port`. */
  readonly address: string;
  /** PEM of the roots that the CA's own server certificate is verified against; `system`: those of the machine. */
  readonly rootCa: TextSource | { readonly kind: 'system' };
  /** The bearer token; blanks around it are dropped. */
  readonly token: TextSource | { readonly kind: 'none' };
  readonly clusterId: string;
  /** `node`: asks on behalf of workloads (ImpersonatedIdentity); `workload`: asks for the token's own identity. */
  readonly askAs: 'node' | 'workload';
  /** A second name under which the CA's server certificate is accepted. */
  readonly alternativeHostname?: string;
  /** Further headers of the call (CA_HEADER_*). */
  readonly headers?: Readonly<Record<string, string>>;
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

export function createCaClient(options: CaClientOptions): CaClient {
  const channel = createChannel(options);
  const { askAs, lifetimeMs = defaultLifetimeMs, timeoutMs = defaultTimeoutMs } = options;

  return {
    async issue(identity) {
      const { csrPem, privateKeyPem } = await createSigningRequest(identity);
      const impersonated = askAs === 'node' ? identity.uri : undefined;
      const request = { csrPem, validitySeconds: Math.round(lifetimeMs / 1000), impersonated };
      try {
        const [client, metadata] = [await channel.current(), await callMetadata(options)];
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
      const rootPem = await readRoot(options).catch((error: unknown) => {
        if (held === undefined) throw error;
        return held.rootPem;
      });
      if (held?.rootPem !== rootPem) {
        held?.client.close();
        held = { client: connect(options, rootPem), rootPem };
      }
      return held.client;
    },
    close() {
      held?.client.close();
      held = undefined;
    },
  };
}

function connect({ address, alternativeHostname }: CaClientOptions, rootPem: string): Client {
  const { host, hostname } = new URL(address);
  const dialled = hostname.replace(/^\[|\]$/g, '');
  const accepted = alternativeHostname === undefined ? [dialled] : [dialled, alternativeHostname];
  const roots = rootPem === '' ? null : Buffer.from(rootPem);
  const secure = credentials.createSsl(roots, null, null, {
    checkServerIdentity: (_name: string, certificate: PeerCertificate) => mismatch(accepted, certificate),
  });
  return new Client(host, secure, {
    // An address is no server name (RFC 6066 §3); which names are accepted is checked above.
    ...(parseIp(dialled) && { 'grpc.ssl_target_name_override': alternativeHostname ?? 'localhost' }),
    'grpc.default_authority': host,
    'grpc.enable_http_proxy': 0,
    'grpc.initial_reconnect_backoff_ms': 500,
    'grpc.max_reconnect_backoff_ms': 5_000,
    'grpc.max_receive_message_length': maxAnswerBytes,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
}

/** Why the certificate is good for none of the names; undefined when it is for one. */
function mismatch(names: readonly string[], certificate: PeerCertificate): Error | undefined {
  const errors = names.map((name) => checkServerIdentity(name, certificate));
  return errors.includes(undefined) ? undefined : errors[0];
}

async function readRoot({ rootCa }: CaClientOptions): Promise<string> {
  if (rootCa.kind === 'system') return '';
  const pem = await readText(rootCa, 'the root of the CA');
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  throw new MeshError(
    'CONFIG_INVALID',
    `the root of the CA (${describe(rootCa)}) holds no PEM certificate; set CA_ROOT_CA`,
  );
}

async function callMetadata({ clusterId, headers = {}, token }: CaClientOptions): Promise<Metadata> {
  const metadata = new Metadata();
  if (clusterId !== '') metadata.set('clusterid', clusterId);
  for (const [name, value] of Object.entries(headers)) metadata.set(name.toLowerCase(), value);
  if (token.kind !== 'none') metadata.set('authorization', `Bearer ${(await readText(token, 'the token')).trim()}`);
  return metadata;
}

async function readText(source: TextSource, what: string): Promise<string> {
  if (source.kind === 'literal') return source.text;
  try {
    return await readFile(source.path, 'utf8');
  } catch (cause) {
    throw new MeshError('IO_FAILED', `cannot read ${what} from ${source.path}: ${String(cause)}`, { cause });
  }
}

function describe(source: TextSource): string {
  return source.kind === 'file' ? source.path : 'given as text';
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

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}
