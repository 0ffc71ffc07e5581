// What to do with a batch once a collector has answered, or not: done with, given up, or kept for another time. Pure: a gRPC status and the
// last delay in, a plan out. Source: opentelemetry-specification, protocol/otlp.md, "Failures".

export type ExportAnswer =
  | { readonly kind: 'accepted'; readonly rejected: number; readonly message: string }
  /** @see https://grpc.io/docs/guides/status-codes/ for the status */
  | {
      readonly kind: 'failed';
      readonly status: number;
      readonly reason: string;
      readonly isTold: 'to retry' | 'nothing';
    };

export type ExportPlan =
  | { readonly kind: 'done'; readonly lost: number }
  | { readonly kind: 'given-up'; readonly reason: string }
  | { readonly kind: 'again'; readonly delayMs: number; readonly reason: string };

/** Cancelled, deadline exceeded, aborted, out of range, unavailable, data loss. */
const passing: ReadonlySet<number> = new Set([1, 4, 10, 11, 14, 15]);
/** Such a server says in details when to come back; without them it means that it never will. */
const resourceExhausted = 8;
const firstDelayMs = 1_000;
const maxDelayMs = 30_000;

/**
 * @param previousMs the last delay; 0 after a success
 * @param jitter in [0, 1): so that a fleet does not come back as one
 */
export function planExport(answer: ExportAnswer, previousMs: number, jitter: number): ExportPlan {
  if (answer.kind === 'accepted') return { kind: 'done', lost: answer.rejected };
  const { status, reason } = answer;
  const passes = passing.has(status) || (status === resourceExhausted && answer.isTold === 'to retry');
  if (!passes) return { kind: 'given-up', reason };
  const delayMs = Math.min(maxDelayMs, previousMs === 0 ? firstDelayMs : previousMs * 2);
  return { kind: 'again', delayMs: delayMs * (1 - 0.2 * jitter), reason };
}
