// The target of a CONNECT as text: `ip:port`, `[ip]:port` or `hostname:port`. Text in, value out; undefined for anything
// else. The port is mandatory and above 0. Source: ztunnel.md §3.3, RFC 9113 §8.5.
import { type IpAddress, parsePort, parseSocketAddress } from '../net/address.ts';

export type Authority =
  | { readonly kind: 'address'; readonly ip: IpAddress; readonly port: number }
  /** Lower case; what it means is the receiver's business. */
  | { readonly kind: 'hostname'; readonly hostname: string; readonly port: number };

/** Longest name of the DNS, and the longest port. */
const maxLength = 253 + ':65535'.length;
const hostnamePattern = /^(?=.*[a-z_-])[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/;

export function parseAuthority(text: string): Authority | undefined {
  if (text.length > maxLength) return undefined;
  const address = parseSocketAddress(text);
  if (address !== undefined) return address.port === 0 ? undefined : { kind: 'address', ...address };
  const colon = text.lastIndexOf(':');
  if (colon < 0) return undefined;
  const hostname = text.slice(0, colon).toLowerCase();
  const port = parsePort(text.slice(colon + 1));
  if (port === undefined || port === 0 || !hostnamePattern.test(hostname)) return undefined;
  return { kind: 'hostname', hostname, port };
}
