// The `forwarded` header of a CONNECT: who dialled, and the service that was dialled, if any (ztunnel.md §3.3, §3.4).
import { formatSocketAddress, type SocketAddress } from '../net/address.ts';

export function formatForwarded(source: SocketAddress, serviceHostname: string | undefined): string {
  const host = serviceHostname ? `;host=${serviceHostname}` : '';
  return `for="${formatSocketAddress(source)}"${host}`;
}

/** In quotes or not. */
const hostPart = /(?:^|;)\s*host=("?)([\x21-\x3a\x3c-\x7e]*?)\1\s*(?:;|$)/;

/** The service's hostname from the first `forwarded` line; undefined when it names none. */
export function forwardedHost(line: string | undefined): string | undefined {
  // Most name none.
  if (line === undefined || !line.includes('host=')) return undefined;
  return hostPart.exec(line)?.[2] || undefined;
}
