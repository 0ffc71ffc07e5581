// Ranges of addresses in CIDR notation. Text in, a range whose address is the masked network address out.
// A range of one family never contains an address of the other; IPv4-mapped ranges become IPv4 (RFC 4632, RFC 4291).
import { type IpAddress, ipFamily, ipFromBytes, ipToBytes, isV4Mapped, parseIpBytes, v4Number } from './address.ts';

/** `ip` is the network address (bits behind the prefix are zero) where the range was made here. */
export interface IpRange {
  readonly ip: IpAddress;
  readonly prefixLength: number;
}

/** `10.0.0.0/8`, `fd00::/8`; an address alone is a range of that one. Undefined for anything else. */
export function parseCidr(text: string): IpRange | undefined {
  const slash = text.indexOf('/');
  const bytes = parseIpBytes(slash < 0 ? text : text.slice(0, slash));
  if (bytes === undefined) return undefined;
  const bits = bytes.length * 8;
  const lengthText = slash < 0 ? String(bits) : text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(lengthText) || Number(lengthText) > bits) return undefined;
  const prefixLength = Number(lengthText);
  if (isV4Mapped(bytes) && prefixLength >= 96) return rangeFromBytes(bytes.subarray(12), prefixLength - 96);
  return rangeFromBytes(bytes, prefixLength);
}

/** Undefined when the prefix is longer than the address. */
export function rangeOf(ip: IpAddress, prefixLength: number): IpRange | undefined {
  return rangeFromBytes(ipToBytes(ip), prefixLength);
}

export function contains(range: IpRange, ip: IpAddress): boolean {
  const v4Network = v4Number(range.ip);
  const v4 = v4Number(ip);
  if (v4Network !== undefined && v4 !== undefined) {
    // A shift by 32 would change nothing.
    return range.prefixLength === 0 || (v4Network ^ v4) >>> (32 - range.prefixLength) === 0;
  }
  const network = ipToBytes(range.ip);
  const bytes = ipToBytes(ip);
  if (network.length !== bytes.length) return false;
  const whole = range.prefixLength >> 3;
  for (let i = 0; i < whole; i++) if (network[i] !== bytes[i]) return false;
  const rest = range.prefixLength & 7;
  return rest === 0 || (((network[whole] ?? 0) ^ (bytes[whole] ?? 0)) & maskOf(rest)) === 0;
}

export function bitsOf(ip: IpAddress): 32 | 128 {
  return ipFamily(ip) === 4 ? 32 : 128;
}

export function formatCidr(range: IpRange): string {
  return `${range.ip}/${range.prefixLength}`;
}

function rangeFromBytes(bytes: Uint8Array, prefixLength: number): IpRange | undefined {
  if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > bytes.length * 8) return undefined;
  const masked = Uint8Array.from(bytes, (byte, i) => byte & maskOf(Math.min(8, Math.max(0, prefixLength - i * 8))));
  const ip = ipFromBytes(masked);
  return ip === undefined ? undefined : { ip, prefixLength };
}

/** The byte whose upper `bits` bits are set. */
function maskOf(bits: number): number {
  return (0xff00 >> bits) & 0xff;
}
