// IP and socket addresses in one canonical text form, so that they can be compared and used as map keys.
// IPv4-mapped IPv6 addresses become IPv4, IPv6 is written as RFC 5952 says. Text or network-order bytes in, canonical
// values out; undefined for anything that is no address. Source: ztunnel.md §4.

declare const ipBrand: unique symbol;

/** Canonical text of an IPv4 or IPv6 address: `10.0.0.1`, `fd00::1`. Made by `parseIp` and `ipFromBytes` only. */
export type IpAddress = string & { readonly [ipBrand]: true };

export interface SocketAddress {
  readonly ip: IpAddress;
  readonly port: number;
}

const dot = 46;
/** Longest text of an address: eight groups of which the last two are written as IPv4. */
const longestText = 45;

/** Zone ids (`fe80::1%eth0`), octets with leading zeros and surrounding blanks are refused. */
export function parseIp(text: string): IpAddress | undefined {
  if (text.length > longestText) return undefined;
  if (text.includes(':')) {
    const bytes = parseV6(text);
    return bytes === undefined ? undefined : ipFromBytes(bytes);
  }
  return v4Number(text) === undefined ? undefined : (text as IpAddress);
}

/** @param bytes 4 or 16 bytes in network order; anything else is undefined */
export function ipFromBytes(bytes: Uint8Array): IpAddress | undefined {
  if (bytes.length === 4) return bytes.join('.') as IpAddress;
  if (bytes.length !== 16) return undefined;
  if (isV4Mapped(bytes)) return bytes.subarray(12).join('.') as IpAddress;
  return writeV6(bytes) as IpAddress;
}

/** @param octets as `v4Number` reads them */
export function v4Text(octets: number): IpAddress {
  return `${octets >>> 24}.${(octets >>> 16) & 255}.${(octets >>> 8) & 255}.${octets & 255}` as IpAddress;
}

/** 4 or 16 bytes in network order. */
export function ipToBytes(ip: IpAddress): Uint8Array {
  const bytes = parseIpBytes(ip);
  if (bytes === undefined) throw new TypeError(`"${ip}" was not made by parseIp`);
  return bytes;
}

/** The bytes exactly as written: an IPv4-mapped address keeps its 16 (CIDR texts need them). */
export function parseIpBytes(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseV6(text) : parseV4(text);
}

export function ipFamily(ip: IpAddress): 4 | 6 {
  return ip.includes(':') ? 6 : 4;
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback(ip: IpAddress): boolean {
  return ip === '::1' || ip.startsWith('127.');
}

export function isV4Mapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes.length === 16 && bytes[10] === 0xff && bytes[11] === 0xff;
}

/** `10.0.0.1:80`, `[fd00::1]:80`. */
export function formatSocketAddress(address: SocketAddress): string {
  return ipFamily(address.ip) === 6 ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
}

/** The form of `formatSocketAddress`; IPv6 must stand in brackets, IPv4 must not. Port 0 is accepted. */
export function parseSocketAddress(text: string): SocketAddress | undefined {
  const end = text.lastIndexOf(':');
  if (end < 0) return undefined;
  const port = parsePort(text.slice(end + 1));
  const host = text.slice(0, end);
  const bracketed = host.startsWith('[') && host.endsWith(']');
  const ipText = bracketed ? host.slice(1, -1) : host;
  if (port === undefined || bracketed !== ipText.includes(':')) return undefined;
  const ip = parseIp(ipText);
  return ip === undefined ? undefined : { ip, port };
}

/** Decimal digits, 0 to 65535, no sign, no blanks, no leading zeros. */
export function parsePort(text: string): number | undefined {
  if (!/^(0|[1-9][0-9]{0,4})$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65535 ? port : undefined;
}

/** The octets of an IPv4 address in network order, as one number; undefined for anything else. Makes no object: every connection asks. */
export function v4Number(text: string): number | undefined {
  let octets = 0;
  let dots = 0;
  let value = -1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === dot) {
      if (value < 0 || dots === 3) return undefined;
      octets = octets * 256 + value;
      dots += 1;
      value = -1;
      continue;
    }
    const digit = code - 48;
    if (digit < 0 || digit > 9 || value === 0) return undefined;
    value = value < 0 ? digit : value * 10 + digit;
    if (value > 255) return undefined;
  }
  return dots === 3 && value >= 0 ? octets * 256 + value : undefined;
}

function parseV4(text: string): Uint8Array | undefined {
  const octets = v4Number(text);
  return octets === undefined ? undefined : Uint8Array.of(octets >>> 24, octets >>> 16, octets >>> 8, octets);
}

function parseV6(text: string): Uint8Array | undefined {
  const gap = text.indexOf('::');
  if (gap < 0) {
    const groups = parseGroups(text);
    return groups?.length === 16 ? Uint8Array.from(groups) : undefined;
  }
  const head = gap === 0 ? [] : parseGroups(text.slice(0, gap));
  const tail = gap + 2 === text.length ? [] : parseGroups(text.slice(gap + 2));
  // "::" stands for at least one group (RFC 4291 §2.2); an IPv4 tail may only end the whole text.
  if (head === undefined || tail === undefined || head.length + tail.length > 14) return undefined;
  if (text.slice(0, gap).includes('.')) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

/** Groups of one to four hexadecimal digits, the last two of which may be written as IPv4. */
function parseGroups(text: string): number[] | undefined {
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    if (group.includes('.')) {
      const v4 = index === groups.length - 1 ? parseV4(group) : undefined;
      if (v4 === undefined) return undefined;
      bytes.push(...v4);
      continue;
    }
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    const value = Number.parseInt(group, 16);
    bytes.push(value >> 8, value & 0xff);
  }
  return bytes;
}

/** RFC 5952 §4: lower case, no leading zeros, the first longest run of two or more zero groups shortened. */
function writeV6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0));
  let start = 0;
  let length = 0;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (groups[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
    i = Math.max(i, end - 1);
  }
  const texts = groups.map((group) => group.toString(16));
  if (length < 2) return texts.join(':');
  return `${texts.slice(0, start).join(':')}::${texts.slice(start + length).join(':')}`;
}
