// Carries bytes both ways between two upgraded connections (WebSocket) until both directions have ended.
// In: two Duplexes with allowHalfOpen. Out: `onDone` once. A loss on one side cuts the other.
import type { Duplex } from 'node:stream';
import { pumpBody } from './pump-body.ts';

export interface JoinedBytes {
  received(bytes: number): void;
  sent(bytes: number): void;
}

export function joinDuplexes(downstream: Duplex, upstream: Duplex, count: JoinedBytes, onDone: () => void): void {
  let open = 2;
  const oneClosed = (): void => {
    open -= 1;
    if (open === 0) onDone();
  };
  const carry = (from: Duplex, to: Duplex, onBytes: (bytes: number) => void): void => {
    from.on('close', oneClosed);
    pumpBody(from, to, {
      onBytes,
      onEnd: () => to.end(),
      onLost: (error) => to.destroy(error),
    });
  };
  for (const side of [downstream, upstream]) side.on('error', () => undefined);
  carry(downstream, upstream, (bytes) => count.received(bytes));
  carry(upstream, downstream, (bytes) => count.sent(bytes));
}
