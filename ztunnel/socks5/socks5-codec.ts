// SOCKS5 (RFC 1928) as far as ztunnel speaks it: no authentication, CONNECT only. Bytes from a client in, greeting and
// request out; replies in, bytes out. Messages are at most 262 bytes, so nothing here grows.
import { ipFromBytes } from '../../common/net/address.ts';
import { type EntryTarget, entryTarget } from './entry-target.ts';

export const socksVersion = 5;

export type Parsed<T> =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed'; readonly reason: string; readonly reply: SocksReply }
  | { readonly kind: 'parsed'; readonly value: T; readonly lengthBytes: number };

/** RFC 1928 §6. */
export const socksReplies = {
  succeeded: 0,
  generalFailure: 1,
  notAllowed: 2,
  hostUnreachable: 4,
  connectionRefused: 5,
  commandNotSupported: 7,
  addressTypeNotSupported: 8,
} as const;
export type SocksReply = keyof typeof socksReplies;

const noAuthentication = 0;
const noAcceptableMethod = 0xff;
const connectCommand = 1;
const addressTypes = { ipv4: 1, name: 3, ipv6: 4 } as const;

/** The authentication methods that the client offers. */
export function parseGreeting(bytes: Buffer): Parsed<readonly number[]> {
  const [version, count] = bytes;
  if (version !== undefined && version !== socksVersion) return malformed(`version ${version} is not 5`);
  if (count === undefined || bytes.length < 2 + count) return { kind: 'incomplete' };
  return { kind: 'parsed', value: [...bytes.subarray(2, 2 + count)], lengthBytes: 2 + count };
}

export function parseRequest(bytes: Buffer): Parsed<EntryTarget> {
  const [version, command, , addressType, firstByte] = bytes;
  if (version !== undefined && version !== socksVersion) return malformed(`version ${version} is not 5`);
  if (command !== undefined && command !== connectCommand) {
    return malformed(`command ${command} is not CONNECT`, 'commandNotSupported');
  }
  if (addressType === undefined || firstByte === undefined) return { kind: 'incomplete' };
  const hostLength = hostLengthOf(addressType, firstByte);
  if (hostLength === undefined) return malformed(`address type ${addressType} is unknown`, 'addressTypeNotSupported');
  const hostStart = addressType === addressTypes.name ? 5 : 4;
  const portStart = hostStart + hostLength;
  if (bytes.length < portStart + 2) return { kind: 'incomplete' };
  const host = bytes.subarray(hostStart, portStart);
  const text = addressType === addressTypes.name ? host.toString('latin1') : ipFromBytes(host);
  const port = bytes.readUInt16BE(portStart);
  const target = text === undefined ? undefined : entryTarget(text, port);
  if (target === undefined) return malformed(`"${text ?? ''}" port ${port} is no destination`);
  return { kind: 'parsed', value: target, lengthBytes: portStart + 2 };
}

export function writeMethodChoice(offered: readonly number[]): {
  readonly accepted: 'yes' | 'no';
  readonly bytes: Buffer;
} {
  const accepted = offered.includes(noAuthentication);
  return {
    accepted: accepted ? 'yes' : 'no',
    bytes: Buffer.from([socksVersion, accepted ? noAuthentication : noAcceptableMethod]),
  };
}

/** The bound address is never told: 0.0.0.0:0, as ztunnel. */
export function writeReply(reply: SocksReply): Buffer {
  return Buffer.from([socksVersion, socksReplies[reply], 0, addressTypes.ipv4, 0, 0, 0, 0, 0, 0]);
}

function hostLengthOf(addressType: number, firstByte: number): number | undefined {
  if (addressType === addressTypes.ipv4) return 4;
  if (addressType === addressTypes.ipv6) return 16;
  return addressType === addressTypes.name ? firstByte : undefined;
}

function malformed(reason: string, reply: SocksReply = 'generalFailure'): Parsed<never> {
  return { kind: 'malformed', reason: `SOCKS5: ${reason}`, reply };
}
