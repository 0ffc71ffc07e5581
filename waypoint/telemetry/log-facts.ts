// What an access log can say of a request or of a connection that passed unread: one shape for both. In: their facts, and the
// attributes that expressions read. Out: log facts. Source: waypoint-telemetry.md §6.1.
import type { Attributes } from '../../common/expressions/expression.ts';
import type { Downstream } from '../served-target.ts';
import type { RequestFacts, UpstreamFacts } from './request-facts.ts';
import type { ResponseFlag } from './response-flags.ts';

export interface TcpFacts {
  readonly downstream: Downstream;
  readonly upstream: UpstreamFacts | undefined;
  readonly flags: readonly ResponseFlag[];
  /** Why it failed, with the code; absent for an ordinary end. */
  readonly failure?: Error | undefined;
  readonly startEpochMs: number;
  readonly durationMs: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

export interface LogFacts extends TcpFacts {
  /** Undefined for a connection that passed unread. */
  readonly request: RequestFacts | undefined;
  readonly attributes: Attributes;
}

/** Bytes are those of the bodies. */
export function logFactsOfRequest(request: RequestFacts, attributes: Attributes): LogFacts {
  const { downstream, upstream, flags, failure, startEpochMs, durationMs, end } = request;
  const bytes = { receivedBytes: end.receivedBodyBytes, sentBytes: end.sentBodyBytes };
  return { downstream, upstream, flags, failure, startEpochMs, durationMs, ...bytes, request, attributes };
}

export function logFactsOfConnection(facts: TcpFacts, attributes: Attributes): LogFacts {
  return { ...facts, request: undefined, attributes };
}
