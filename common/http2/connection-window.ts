// How large the window of a whole connection is (RFC 9113 §6.9). For bulk alone, as large as configured: that costs the least CPU. While
// messages come beside it, no larger than the way to the peer needs, for whatever is under way is a queue that they wait behind.
// In: the bound; each time that half of the window was used up, by whom, when, and the round trip. Out: its size.

const firstBytes = 1 << 20;
/** Messages may come again within this time. */
const quietMs = 1_000;
/** On a way this short the first window carries 2 GB/s, more than a thread does. */
const shortMs = 0.5;
/** Beyond what a process that is busy takes to answer a PING, it is the way that takes long. */
const answerMs = 10;

/** @param mostBytes the bound, as configured */
export function firstConnectionWindow(mostBytes: number): number {
  return Math.min(firstBytes, mostBytes);
}

/**
 * The round trip to count with. The kernel's is exact, but ends at a proxy that carries the connection on; PING's goes all the way.
 * @param kernelMs the least so far, as both
 */
export function wholeRoundTripMs(kernelMs: number | undefined, pingMs: number | undefined): number | undefined {
  if (kernelMs === undefined || pingMs === undefined) return kernelMs ?? pingMs;
  return pingMs > kernelMs + answerMs ? pingMs : kernelMs;
}

export interface WindowUse {
  /** Half of this was used up. */
  readonly sizeBytes: number;
  readonly messages: 'some' | 'none';
  /** Milliseconds that only grow. */
  readonly nowMs: number;
  /** The shortest there has been, so that waiting in queues does not count; undefined where nobody knows. */
  readonly roundTripMs: number | undefined;
}

export class ConnectionWindowFit {
  private readonly mostBytes: number;
  /** Beside messages: what the way needs, as far as is known. */
  private fittedBytes: number;
  private messagesAtMs = Number.NEGATIVE_INFINITY;
  private lastMs = Number.NEGATIVE_INFINITY;

  constructor(mostBytes: number) {
    this.mostBytes = mostBytes;
    this.fittedBytes = firstConnectionWindow(mostBytes);
  }

  /** The size from now on. */
  next({ sizeBytes, messages, nowMs, roundTripMs }: WindowUse): number {
    const elapsedMs = nowMs - this.lastMs;
    this.lastMs = nowMs;
    // What came before bulk began, however long ago, did not come beside it.
    if (messages === 'some' && elapsedMs <= quietMs) this.messagesAtMs = nowMs;
    if (nowMs - this.messagesAtMs > quietMs || roundTripMs === undefined) return this.mostBytes;
    // Where half of it lasts no longer than two round trips, the peer waits for the window, not for its reader.
    if (roundTripMs > shortMs && sizeBytes === this.fittedBytes && elapsedMs <= 2 * roundTripMs) {
      this.fittedBytes = Math.min(this.mostBytes, 2 * this.fittedBytes);
    }
    return this.fittedBytes;
  }
}
