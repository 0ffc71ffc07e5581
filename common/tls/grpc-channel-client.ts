// gRPC over TLS towards a control plane, as istiod is spoken to for certificates and for xDS (ztunnel.md §6.1, §7): its root
// and our token are read anew each time. In: where it is and how to be believed. Out: a client, the metadata of a call.
import { readFile } from 'node:fs/promises';
import { type ChannelOptions, Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { MeshError } from '../errors.ts';
import { parseIp } from '../net/address.ts';
import { acceptedServer } from './accepted-server.ts';

/** A text given as it is, or a file that may change while we run. */
export type TextSource =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'file'; readonly path: string };

export interface ControlPlane {
  /** `https://host:port`. */
  readonly address: string;
  /** PEM of the roots that the server's certificate is verified against; `system`: those of the machine. */
  readonly rootCa: TextSource | { readonly kind: 'system' };
  /** The bearer token; blanks around it are dropped. */
  readonly token: TextSource | { readonly kind: 'none' };
  readonly clusterId: string;
  /** A second name under which the server's certificate is accepted. */
  readonly alternativeHostname?: string | undefined;
  /** Further headers of each call. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * @param setting the variable that names the root, for the remedy
 * @returns "" for the roots of the machine. @throws MeshError IO_FAILED, CONFIG_INVALID
 */
export async function readRoot({ rootCa }: ControlPlane, setting: string): Promise<string> {
  if (rootCa.kind === 'system') return '';
  const pem = await readText(rootCa, 'the root of the control plane');
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  const place = rootCa.kind === 'file' ? rootCa.path : 'given as text';
  throw new MeshError('CONFIG_INVALID', `the root (${place}) holds no PEM certificate; set ${setting}`);
}

/** @throws MeshError IO_FAILED when there is no such token file */
export async function readCallMetadata({ clusterId, headers = {}, token }: ControlPlane): Promise<Metadata> {
  const metadata = new Metadata();
  if (clusterId !== '') metadata.set('clusterid', clusterId);
  for (const [name, value] of Object.entries(headers)) metadata.set(name.toLowerCase(), value);
  if (token.kind !== 'none') metadata.set('authorization', `Bearer ${(await readText(token, 'the token')).trim()}`);
  return metadata;
}

/** @param rootPem from `readRoot` */
export function openChannel(
  { address, alternativeHostname }: ControlPlane,
  rootPem: string,
  options: ChannelOptions,
): Client {
  const { host: authority } = new URL(address);
  const { host, checkServerIdentity } = acceptedServer(address, alternativeHostname);
  const roots = rootPem === '' ? null : Buffer.from(rootPem);
  const secure = credentials.createSsl(roots, null, null, { checkServerIdentity });
  return new Client(authority, secure, {
    // An address is no server name (RFC 6066 §3); which names are accepted is checked above.
    ...(parseIp(host) && { 'grpc.ssl_target_name_override': alternativeHostname ?? 'localhost' }),
    'grpc.default_authority': authority,
    'grpc.enable_http_proxy': 0,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    ...options,
  });
}

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}

async function readText(source: TextSource, what: string): Promise<string> {
  if (source.kind === 'literal') return source.text;
  try {
    return await readFile(source.path, 'utf8');
  } catch (cause) {
    throw new MeshError('IO_FAILED', `cannot read ${what} from ${source.path}: ${String(cause)}`, { cause });
  }
}
