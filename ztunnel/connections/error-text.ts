// How a failure reads in the access log: ztunnel's own words first, by which its users search and alert, then ours, which
// name what failed, on which object, and the remedy. Pure: error and direction in, text out. Source: ztunnel.md §11.
import { MeshError, type MeshErrorCode } from '../../common/errors.ts';
import { osErrorText } from '../../common/net/socket-failure.ts';
import type { ConnectionFacts } from './connection-facts.ts';

type Direction = ConnectionFacts['direction'];
type Words = Readonly<Record<Direction, string>>;

const dialling: Words = { inbound: 'connection failed', outbound: 'io error' };
const handshake: Words = { inbound: 'tls handshake error', outbound: 'io error' };

/** Of codes whose own text does not begin with ztunnel's words anyway. */
const wordsOf: Partial<Record<MeshErrorCode, Words>> = {
  UPSTREAM_REFUSED: dialling,
  UPSTREAM_UNREACHABLE: dialling,
  UPSTREAM_CONNECT_TIMEOUT: dialling,
  TLS_FAILED: handshake,
  PEER_IDENTITY_MISMATCH: { ...handshake, outbound: 'io error: invalid peer certificate' },
  CERTIFICATE_REVOKED: handshake,
  IDENTITY_UNAVAILABLE: both('identity error'),
  TUNNEL_PROTOCOL: both('h2 failed'),
  TUNNEL_LOST: both('io error'),
  IO_FAILED: both('io error'),
  DRAINED: both('connection closed due to connection drain'),
};

/** ztunnel's words for a connection that one of its rules has ended, whatever its phase. */
const own = /^connection closed\b/;
/** ztunnel's word for a wait of its own that is over. */
const elapsed = 'deadline has elapsed';

export function errorText(error: Error, direction: Direction): string {
  if (!(error instanceof MeshError)) return error.message;
  const words = wordsOf[error.code]?.[direction];
  if (words === undefined || own.test(error.message) || error.message.startsWith(words)) return error.message;
  const cause = osErrorText(error.cause) ?? (error.code === 'UPSTREAM_CONNECT_TIMEOUT' ? elapsed : undefined);
  return [words, cause, error.message].filter((part) => part !== undefined).join(': ');
}

function both(words: string): Words {
  return { inbound: words, outbound: words };
}
