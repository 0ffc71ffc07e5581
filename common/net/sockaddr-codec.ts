// Addresses as the kernel lays them out: sockaddr_in (16 bytes), sockaddr_in6 (28), sockaddr_un (up to 110).
// Values in and out; undefined for bytes of another family. Source: ip(7), ipv6(7), unix(7).
import { Buffer } from 'node:buffer';
import { MadeBefore } from '../made-before.ts';
import { ipFromBytes, ipToBytes, type SocketAddress, v4Text } from './address.ts';
import { AF_INET, AF_INET6, AF_UNIX } from './linux-constants.ts';

/** 108 bytes with the closing NUL (unix(7)). */
export const maxUnixPathBytes = 107;

export function encodeSockaddr({ ip, port }: SocketAddress): Buffer {
  const bytes = ipToBytes(ip);
  const v4 = bytes.length === 4;
  const sockaddr = Buffer.alloc(v4 ? 16 : 28);
  sockaddr.writeUInt16LE(v4 ? AF_INET : AF_INET6, 0);
  sockaddr.writeUInt16BE(port, 2);
  sockaddr.set(bytes, v4 ? 4 : 8);
  return sockaddr;
}

export function decodeSockaddr(sockaddr: Buffer): SocketAddress | undefined {
  if (sockaddr.length < 16) return undefined;
  const family = sockaddr.readUInt16LE(0);
  const port = sockaddr.readUInt16BE(2);
  if (family === AF_INET) return { ip: v4Texts.get(sockaddr.readUInt32BE(4)), port };
  if (family === AF_INET6 && isV4Mapped(sockaddr)) return { ip: v4Texts.get(sockaddr.readUInt32BE(20)), port };
  const ip = family === AF_INET6 && sockaddr.length >= 28 ? ipFromBytes(sockaddr.subarray(8, 24)) : undefined;
  return ip === undefined ? undefined : { ip, port };
}

/** As a socket of both families has IPv4. */
function isV4Mapped(sockaddr: Buffer): boolean {
  if (sockaddr.length < 28 || sockaddr.readUInt32BE(16) !== 0xffff) return false;
  return sockaddr.readUInt32BE(8) === 0 && sockaddr.readUInt32BE(12) === 0;
}

/** Programs dial few addresses, again and again. */
const v4Texts = new MadeBefore(1_024, v4Text);

/** undefined when the path is empty or longer than the kernel takes. */
export function encodeUnixSockaddr(path: string): Buffer | undefined {
  const name = Buffer.from(path);
  if (name.length === 0 || name.length > maxUnixPathBytes) return undefined;
  const sockaddr = Buffer.alloc(2 + name.length + 1);
  sockaddr.writeUInt16LE(AF_UNIX, 0);
  sockaddr.set(name, 2);
  return sockaddr;
}
