// IP and socket addresses in one canonical text form, so that they can be compared and used as map keys.
// IPv4-mapped IPv6 addresses become IPv4, IPv6 is written as RFC 5952 says. Source: ztunnel.md §4.

declare const ipBrand: unique symbol;

/** Canonical text of an IPv4 or IPv6 address: `10.0.0.1`, `fd00::1`. Made by `parseIp` only. */
export type IpAddress = string & { readonly [ipBrand]: true };

export interface SocketAddress {
  readonly ip: IpAddress;
  readonly port: number;
}
