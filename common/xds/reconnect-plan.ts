// How the end of a stream is to be understood, and how long to wait before the next one (ztunnel.md §6.5). Pure: a gRPC
// status, times and a jitter in, a plan out.

export interface StreamEnd {
  /** `unreachable`: no connection that carried the call; `expected`: what servers do every half hour, and when they restart. */
  readonly kind: 'unreachable' | 'expected' | 'failed' | 'complete';
  readonly reason: string;
}

export type TerminationReason = 'ConnectionError' | 'Reconnect' | 'Error' | 'Complete';

export interface ReconnectPlan {
  readonly delayMs: number;
  readonly reason: TerminationReason;
}

const firstDelayMs = 10;
const maxDelayMs = 15_000;
/** A stream that ends sooner was not a good one, however it ended. */
const goodStreamMs = 1_000;

const reasons = {
  unreachable: 'ConnectionError',
  expected: 'Reconnect',
  failed: 'Error',
  complete: 'Complete',
} as const satisfies Record<StreamEnd['kind'], TerminationReason>;

/** Cancelled, unknown, deadline exceeded: how a server's shutdown may look. */
const passingCodes: ReadonlySet<number> = new Set([1, 2, 4]);
const unavailableCode = 14;
/** The words of Go's gRPC, Rust's and grpc-js for a connection that went away. */
const goneAway = /transport is closing|received prior goaway|connection dropped|ECONNRESET|closed by/i;

/** @param code of gRPC */
export function understandStatus(code: number, details: string): 'expected' | 'failed' {
  const isPassing = passingCodes.has(code) || (code === unavailableCode && goneAway.test(details));
  return isPassing ? 'expected' : 'failed';
}

/**
 * @param previousMs the last plan's delay; 0 before the first
 * @param jitter between 0 and 1, so that a fleet which lost one server does not come back as one
 */
export function planReconnect(end: StreamEnd, livedMs: number, previousMs: number, jitter: number): ReconnectPlan {
  const reason = reasons[end.kind];
  const wasGood = end.kind !== 'unreachable' && livedMs >= goodStreamMs;
  if (wasGood && end.kind !== 'failed') return { reason, delayMs: firstDelayMs };
  const fromMs = wasGood ? firstDelayMs : Math.max(firstDelayMs, previousMs);
  return { reason, delayMs: Math.min(maxDelayMs, fromMs * 2) * (1 - 0.2 * jitter) };
}
