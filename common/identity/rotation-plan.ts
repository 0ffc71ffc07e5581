// When a workload certificate is fetched again, retried after a failure, or given up. Pure: times and a jitter between
// 0 and 1 in, times or a verdict out. The numbers are ztunnel's (ztunnel.md §7).

export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

const firstRetryMs = 1_000;
const maxRetryMs = 150_000;
/** How much of its validity a certificate may be refreshed before the half, so that those issued together part. */
const refreshSpread = 0.05;

export function isValid(certificate: Validity, nowMs: number): boolean {
  return nowMs < certificate.notAfterMs;
}

/**
 * Half of the validity, or a little earlier by the jitter. It counts from the fetch: istiod dates certificates two minutes back,
 * so that one of 30 s would be past its half when it comes.
 */
export function refreshTime({ notBeforeMs, notAfterMs }: Validity, fetchedAtMs: number, jitter: number): number {
  const fromMs = Math.min(Math.max(notBeforeMs, fetchedAtMs), notAfterMs);
  return fromMs + (notAfterMs - fromMs) * (0.5 - refreshSpread * jitter);
}

/** 1 s, doubled by each further failure up to 150 s, 20 % more or less by the jitter. */
export function retryDelay(failures: number, jitter: number): number {
  const delayMs = Math.min(firstRetryMs * 2 ** (failures - 1), maxRetryMs);
  return Math.min(delayMs * (0.8 + 0.4 * jitter), maxRetryMs);
}

export type AfterFailure =
  /** What is held still serves; the next try comes at its expiry at the latest. */
  { readonly kind: 'keep'; readonly retryAtMs: number } | { readonly kind: 'unavailable'; readonly retryAtMs: number };

export function planAfterFailure(
  held: Validity | undefined,
  failures: number,
  nowMs: number,
  jitter: number,
): AfterFailure {
  const retryAtMs = nowMs + retryDelay(failures, jitter);
  if (held === undefined || !isValid(held, nowMs)) return { kind: 'unavailable', retryAtMs };
  return { kind: 'keep', retryAtMs: Math.min(retryAtMs, held.notAfterMs) };
}

/** What the store knows of one identity. */
export interface RotationFacts {
  readonly held: Validity | undefined;
  readonly lastUsedMs: number;
  /** The planned refresh or retry. */
  readonly dueAtMs: number;
}

export type RotationStep =
  | { readonly kind: 'fetch' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'wait'; readonly untilMs: number };

/** An identity that nobody uses is not fetched again; what is held of it serves until it expires. */
export function planRotation(facts: RotationFacts, nowMs: number, maxIdleMs: number): RotationStep {
  if (nowMs < facts.dueAtMs) return { kind: 'wait', untilMs: facts.dueAtMs };
  if (nowMs - facts.lastUsedMs < maxIdleMs) return { kind: 'fetch' };
  if (facts.held === undefined || !isValid(facts.held, nowMs)) return { kind: 'drop' };
  return { kind: 'wait', untilMs: facts.held.notAfterMs };
}
