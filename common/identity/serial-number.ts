// Serial numbers of certificates: 127 random bits, positive, without leading zeros (RFC 5280 §4.1.2.2).
import { randomBytes } from 'node:crypto';

/** Hexadecimal. */
export function randomSerialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}
