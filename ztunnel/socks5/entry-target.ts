// Where a client of the explicit entry wants to go: an address, or a name that the mesh (or DNS) must resolve.
// Text as it stands in a CONNECT line, a URL or a SOCKS5 request in, a target or undefined out.
import { parseIp, parsePort, type SocketAddress } from '../../common/net/address.ts';

export type EntryTarget =
  | { readonly kind: 'address'; readonly address: SocketAddress }
  | { readonly kind: 'name'; readonly hostname: string; readonly port: number };

/** @param host IP text (IPv6 without brackets) or a DNS name; names are lower-cased, one final dot is dropped */
export function entryTarget(host: string, port: number): EntryTarget | undefined {
  if (port < 1 || port > 65_535) return undefined;
  const ip = parseIp(host);
  if (ip !== undefined) return { kind: 'address', address: { ip, port } };
  const hostname = host.toLowerCase().replace(/\.$/, '');
  return isHostname(hostname) ? { kind: 'name', hostname, port } : undefined;
}

/** `host:port` or `[ip]:port`; the port may be left out where a default is given. */
export function parseAuthority(text: string, defaultPort?: number): EntryTarget | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text);
  if (match === null) return undefined;
  const [, bracketed, plain, portText] = match;
  const port = portText === undefined ? defaultPort : parsePort(portText);
  const host = bracketed ?? plain;
  if (port === undefined || host === undefined) return undefined;
  if (bracketed !== undefined && !bracketed.includes(':')) return undefined;
  return entryTarget(host, port);
}

/** RFC 1123 labels, and the underscore that Kubernetes names may not have but DNS does. */
function isHostname(name: string): boolean {
  if (name.length === 0 || name.length > 253) return false;
  return name.split('.').every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label));
}
