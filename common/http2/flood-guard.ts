// Bounds what a peer may make us do for nothing: control frames that cost it less than us (RFC 9113 §10.5; the "rapid reset",
// "settings flood" and "ping flood" attacks). In: what came. Out: a fault when a kind of it is beyond its allowance.
// Allowances are refilled by `refill`, which the owner calls at each PING interval.
import { type ConnectionFault, fault } from './error-code.ts';

/** Per interval (10 s). A busy node resets and pings far less than this; an attack does far more. */
const allowances = {
  ping: 1_000,
  settings: 100,
  /** Streams that the peer reset before they were answered, and those we had to refuse. */
  'unanswered reset': 2_000,
  'empty DATA': 1_000,
  'frame without use': 10_000,
  /** Since we last sent DATA: who reads has something to read. */
  'window update': 50_000,
} as const;

export type FloodKind = keyof typeof allowances;

export class FloodGuard {
  private spent: Record<FloodKind, number> = noneSpent();

  spend(kind: FloodKind): ConnectionFault | undefined {
    this.spent[kind] += 1;
    if (this.spent[kind] <= allowances[kind]) return undefined;
    return fault('ENHANCE_YOUR_CALM', `more than ${allowances[kind]} of "${kind}" in one interval`);
  }

  /** DATA has gone out, and may be answered by windows. */
  sentData(): void {
    this.spent['window update'] = 0;
  }

  refill(): void {
    this.spent = noneSpent();
  }
}

function noneSpent(): Record<FloodKind, number> {
  return {
    ping: 0,
    settings: 0,
    'unanswered reset': 0,
    'empty DATA': 0,
    'frame without use': 0,
    'window update': 0,
  };
}
