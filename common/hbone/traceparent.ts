// The `traceparent` header of a CONNECT (W3C Trace Context; ztunnel.md §3.3). Random bytes are given, so that this stays pure.

export interface Traceparent {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly parentId: string;
}

/** @param random exactly 24 bytes: 16 for the trace, 8 for the parent */
export function traceparentOf(random: Buffer): Traceparent {
  return { traceId: random.toString('hex', 0, 16), parentId: random.toString('hex', 16, 24) };
}

export function formatTraceparent({ traceId, parentId }: Traceparent): string {
  return `00-${traceId}-${parentId}-00`;
}
