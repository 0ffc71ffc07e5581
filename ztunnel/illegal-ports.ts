// The ports on which ztunnel itself listens in a pod: a connection that ends there would run in a circle.
// Stats, readiness, admin and DNS ports are no part of it. Source: ztunnel.md §1, §4.9.
import type { SocketAddress } from '../common/net/address.ts';

export interface ProxyPorts {
  readonly outbound: number;
  readonly inbound: number;
  readonly inboundPlaintext: number;
  /** Undefined where there is no SOCKS5 entry. */
  readonly socks5: number | undefined;
}

export type IllegalPorts = ReadonlySet<number>;

export function illegalPorts(ports: ProxyPorts): IllegalPorts {
  const illegal = new Set([ports.outbound, ports.inbound, ports.inboundPlaintext]);
  if (ports.socks5 !== undefined) illegal.add(ports.socks5);
  return illegal;
}

/** The sentence for a refused self-call. */
export function describeSelfCall(destination: SocketAddress): string {
  return `attempted recursive call to ourselves: port ${destination.port} of ${destination.ip} is ztunnel's own`;
}
