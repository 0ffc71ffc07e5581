// What a control plane is spoken to with, as istiod is for certificates and for xDS (ztunnel.md §6.1, §7): its root and our
// token, read anew each time. In: where they are. Out: the roots, the headers of a call.
import { readFile } from 'node:fs/promises';
import { MeshError } from '../errors.ts';

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

/** Names in lower case. @throws MeshError IO_FAILED when there is no such token file, CONFIG_INVALID when no header can carry a value */
export async function readCallHeaders({
  clusterId,
  headers = {},
  token,
}: ControlPlane): Promise<Readonly<Record<string, string>>> {
  const named: [string, string][] = clusterId === '' ? [] : [['clusterid', clusterId]];
  for (const [name, value] of Object.entries(headers)) named.push([name.toLowerCase(), value]);
  if (token.kind !== 'none') named.push(['authorization', `Bearer ${(await readText(token, 'the token')).trim()}`]);
  const wrong = named.find(([, value]) => !printable.test(value));
  if (wrong === undefined) return Object.fromEntries(named);
  // Its value may be a secret.
  const reason = `the value of the header ${wrong[0]} has characters that no gRPC header can carry`;
  throw new MeshError(
    'CONFIG_INVALID',
    wrong[0] === 'authorization' ? `${reason}; check the token (AUTH_TOKEN)` : reason,
  );
}

/** ASCII-Value of gRPC over HTTP/2. */
const printable = /^[\x20-\x7e]*$/;

async function readText(source: TextSource, what: string): Promise<string> {
  if (source.kind === 'literal') return source.text;
  try {
    return await readFile(source.path, 'utf8');
  } catch (cause) {
    throw new MeshError('IO_FAILED', `cannot read ${what} from ${source.path}: ${String(cause)}`, { cause });
  }
}
