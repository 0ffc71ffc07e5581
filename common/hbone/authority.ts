// The target of a CONNECT as text: `ip:port`, `[ip]:port` or `hostname:port` (ztunnel.md §3.3). Text in, tagged value out.
import { formatSocketAddress, parsePort, parseSocketAddress, type SocketAddress } from '../net/address.ts';

export type Authority =
  | { readonly kind: 'address'; readonly address: SocketAddress }
  /** Lower case; what it means is the receiver's business. */
  | { readonly kind: 'hostname'; readonly hostname: string; readonly port: number };

// RFC 1123 labels; `_` and `*` occur in Kubernetes and ServiceEntry names.
const hostnameForm = /^(?=.{1,253}$)[a-z0-9_*-]{1,63}(\.[a-z0-9_*-]{1,63})*\.?$/i;
const looksLikeIpv4 = /^[0-9.]+$/;

/** Undefined without a port, with port 0, or for text that is neither an address nor a hostname. */
export function parseAuthority(text: string): Authority | undefined {
  const address = parseSocketAddress(text);
  if (address) return address.port === 0 ? undefined : { kind: 'address', address };
  const colon = text.lastIndexOf(':');
  const hostname = text.slice(0, Math.max(0, colon));
  const port = parsePort(text.slice(colon + 1));
  if (!port || !hostnameForm.test(hostname) || looksLikeIpv4.test(hostname)) return undefined;
  return { kind: 'hostname', hostname: hostname.toLowerCase(), port };
}

export function formatAuthority(authority: Authority): string {
  return authority.kind === 'address'
    ? formatSocketAddress(authority.address)
    : `${authority.hostname}:${authority.port}`;
}
