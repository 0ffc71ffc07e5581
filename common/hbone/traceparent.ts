// The `traceparent` header of a CONNECT (W3C Trace Context; ztunnel.md §3.3). Random bytes are given, so that this stays pure.

export interface Traceparent {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly parentId: string;
}

export const traceparentRandomBytes = 24;

/** @param random exactly 24 bytes: 16 for the trace, 8 for the parent */
export function traceparentOf(random: Buffer): Traceparent {
  return { traceId: random.toString('hex', 0, 16), parentId: random.toString('hex', 16, 24) };
}

export function formatTraceparent({ traceId, parentId }: Traceparent): string {
  return `00-${traceId}-${parentId}-00`;
}

/** Undefined for anything but the 55 characters of version 00. */
export function parseTraceparent(text: string | undefined): Traceparent | undefined {
  const [, traceId, parentId] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/.exec(text ?? '') ?? [];
  return traceId && parentId ? { traceId, parentId } : undefined;
}
