// The settings by which a daemon finds its control plane, as Istio names them (ztunnel.md §2): for XDS and for CA the same.
// Pure: the environment's reader in, where it is and how to be believed out; problems go to the reader.
import type { EnvReader } from '../config/env-reader.ts';
import type { ControlPlane, TextSource } from './control-plane-client.ts';

/** Whether there is a file of that name. */
export type FileExists = (path: string) => boolean;

/**
 * - `<kind>_ADDRESS`: host:port or https://host:port.
 * - `<kind>_ROOT_CA`: a file, `SYSTEM`, or PEM text.
 * - `ALT_<kind>_HOSTNAME`: a further accepted server name.
 * - `AUTH_TOKEN`: a file or the token itself; default `./var/run/secrets/tokens/istio-token` where it exists.
 * - `<kind>_HEADER_<K>`: further gRPC metadata, keys in lower case.
 */
export type ControlPlaneConfig = Required<Omit<ControlPlane, 'clusterId'>>;

const defaultToken = './var/run/secrets/tokens/istio-token';
const defaultRoot = './var/run/secrets/istio/root-cert.pem';

/** istiod, inside Kubernetes or beside us. */
export function defaultControlPlane(read: EnvReader): string {
  const isInCluster = read.text('KUBERNETES_SERVICE_HOST') !== undefined;
  return isInCluster ? 'https://istiod.istio-system.svc:15012' : 'https://localhost:15012';
}

export function readControlPlane(
  read: EnvReader,
  kind: 'XDS' | 'CA',
  fallback: string,
  fileExists: FileExists,
): ControlPlaneConfig {
  const given = read.text(`${kind}_ADDRESS`, fallback);
  const address = given.includes('://') ? given : `https://${given}`;
  if (URL.parse(address)?.protocol !== 'https:') {
    read.problem(`invalid env var ${kind}_ADDRESS=${given}: expected host:port or https://host:port`);
  }
  const headers = [...read.withPrefix(`${kind}_HEADER_`)].map(([key, value]) => [key.toLowerCase(), value]);
  return {
    address,
    rootCa: readRoot(read.text(`${kind}_ROOT_CA`, defaultRoot), fileExists),
    alternativeHostname: read.text(`ALT_${kind}_HOSTNAME`),
    token: readToken(read.text('AUTH_TOKEN'), fileExists),
    headers: Object.fromEntries(headers),
  };
}

/** A file that is not there yet may still come; only a text that begins as PEM is taken for one. */
function readRoot(text: string, fileExists: FileExists): ControlPlane['rootCa'] {
  if (text === 'SYSTEM') return { kind: 'system' };
  return text.startsWith('-----BEGIN') && !fileExists(text) ? { kind: 'literal', text } : { kind: 'file', path: text };
}

function readToken(given: string | undefined, fileExists: FileExists): TextSource | { readonly kind: 'none' } {
  const text = given ?? (fileExists(defaultToken) ? defaultToken : undefined);
  if (text === undefined) return { kind: 'none' };
  return fileExists(text) ? { kind: 'file', path: text } : { kind: 'literal', text };
}
