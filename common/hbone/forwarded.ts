// The `forwarded` header of a CONNECT: who dialled, and the service that was dialled, if any (ztunnel.md §3.3, §3.4).
import { formatSocketAddress, type SocketAddress } from '../net/address.ts';

export function formatForwarded(source: SocketAddress, serviceHostname: string | undefined): string {
  const host = serviceHostname ? `;host=${serviceHostname}` : '';
  return `for="${formatSocketAddress(source)}"${host}`;
}

/** The service's hostname from the first `forwarded` line; undefined when it names none. */
export function forwardedHost(line: string | undefined): string | undefined {
  // Most name none.
  if (line === undefined || !line.includes('host=')) return undefined;
  for (const part of line.split(';')) {
    const [, value] = /^\s*host=([\x21-\x7e]*)\s*$/.exec(part) ?? [];
    if (value === undefined) continue;
    return value.replace(/^"(.*)"$/, '$1') || undefined;
  }
  return undefined;
}
