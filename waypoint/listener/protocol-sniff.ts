// Decides whether a connection is HTTP/1.1, HTTP/2 or something to carry unread. In: what the service port declares, and the first
// bytes seen so far. Out: the protocol, or that more bytes are needed. Source: waypoint-telemetry.md §8.1 step 2, §9.1.
import type { AppProtocol } from '../../common/mesh/workload.ts';

export type SniffedProtocol = 'http1' | 'http2' | 'opaque';
export type SniffDecision = SniffedProtocol | 'more';

/** Enough for the preface and for the longest method and its target's first character. */
export const sniffBytes = 32;

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
/** A method is a token (RFC 9110 §9.1); real ones are capitals and dashes. */
const requestLine = /^[A-Z][A-Z-]{0,24} [/*A-Za-z]/;
const requestLineStart = /^[A-Z][A-Z-]{0,24}( ?)$/;

export function sniffProtocol(declared: AppProtocol, start: Buffer): SniffDecision {
  if (declared === 'tcp' || declared === 'tls') return 'opaque';
  const isDeclaredHttp = declared !== 'unknown';
  const head = start.subarray(0, preface.length);
  if (head.equals(preface.subarray(0, head.length))) return head.length === preface.length ? 'http2' : 'more';
  // A declared HTTP port is HTTP: what does not parse gets a 400, as a server would answer.
  if (isDeclaredHttp) return 'http1';
  const text = start.toString('latin1', 0, sniffBytes);
  if (requestLine.test(text)) return 'http1';
  return start.length < sniffBytes && requestLineStart.test(text) ? 'more' : 'opaque';
}

/** What a connection is when its first bytes did not come in time: a server-first protocol waits for the server. */
export function protocolAfterSilence(declared: AppProtocol): SniffedProtocol | 'wait' {
  return declared === 'unknown' ? 'opaque' : 'wait';
}
