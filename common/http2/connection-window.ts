// How large the window of a whole connection is (RFC 9113 §6.9): as small as the way to the peer allows, for whatever is under way is a
// queue that every other stream's bytes wait behind. In: the bound, how fast the window was used up, the round trip. Out: its size.

const firstBytes = 1 << 20;

/** @param mostBytes the bound, as configured */
export function firstConnectionWindow(mostBytes: number): number {
  return Math.min(firstBytes, mostBytes);
}

export interface WindowUse {
  readonly sizeBytes: number;
  readonly mostBytes: number;
  /** In which half of the window was used up. */
  readonly elapsedMs: number;
  /** The shortest there has been, so that waiting in queues does not count; undefined where the kernel does not tell. */
  readonly roundTripMs: number | undefined;
}

/** Beyond what a process that is busy takes to answer a PING, it is the way that takes long. */
const answerMs = 10;

/**
 * The round trip to count with. The kernel's is exact, but ends at a proxy that carries the connection on; PING's goes all the way.
 * @param kernelMs the least so far, as both
 */
export function wholeRoundTripMs(kernelMs: number | undefined, pingMs: number | undefined): number | undefined {
  if (kernelMs === undefined || pingMs === undefined) return kernelMs ?? pingMs;
  return pingMs > kernelMs + answerMs ? pingMs : kernelMs;
}

/** Twice the size where half of it lasts no longer than two round trips: then the peer waits for the window, not for its reader. */
export function nextConnectionWindow({ sizeBytes, mostBytes, elapsedMs, roundTripMs }: WindowUse): number {
  if (roundTripMs === undefined) return mostBytes;
  return elapsedMs > 2 * roundTripMs ? sizeBytes : Math.min(mostBytes, 2 * sizeBytes);
}
