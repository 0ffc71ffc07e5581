// Windows of HTTP/2 flow control (RFC 9113 §5.2, §6.9). In: bytes received, consumed, sent, increments. Out: what to announce,
// or that the peer broke the rules. Credit is announced at half a window, so that it costs few frames.

export const maxWindowBytes = 0x7fffffff;
export const defaultWindowBytes = 65_535;

/** What we allow the peer to send. */
export class ReceiveWindow {
  private size: number;
  private available: number;
  /** Taken by the application, but not yet announced. */
  private owed = 0;
  /** Of what was announced, no longer part of the window: it comes back by what is not announced again. */
  private excess = 0;

  constructor(sizeBytes: number) {
    this.size = sizeBytes;
    this.available = sizeBytes;
  }

  get sizeBytes(): number {
    return this.size;
  }
  /** What the peer may still send, as far as it knows. */
  get announcedBytes(): number {
    return this.available;
  }
  /** The same with what is not announced yet: all of the window when nothing is held. */
  get freeBytes(): number {
    return this.available + this.owed - this.excess;
  }

  receive(bytes: number): 'within' | 'exceeded' {
    if (bytes > this.available) return 'exceeded';
    this.available -= bytes;
    return 'within';
  }

  /** Bytes that may be sent again; the increment to announce now, or 0 to wait. */
  consume(bytes: number): number {
    const withheld = Math.min(bytes, this.excess);
    this.excess -= withheld;
    this.owed += bytes - withheld;
    if (this.owed * 2 < this.size) return 0;
    const increment = this.owed;
    this.owed = 0;
    this.available += increment;
    return increment;
  }

  /** From now on the peer may have so much under way, or comes to it as it sends; the increment to announce, or 0. */
  resize(sizeBytes: number): number {
    const more = sizeBytes - this.size;
    this.size = sizeBytes;
    if (more < 0) {
      this.excess -= more;
      return 0;
    }
    const returned = Math.min(more, this.excess);
    this.excess -= returned;
    this.available += more - returned;
    return more - returned;
  }
}

/**
 * When bytes of the connection's window may be sent again. Each stream's own window already bounds what its paused reader
 * holds; were the connection's credit tied to it as well, four paused readers would stop every other stream (4 × 4 MiB = 16 MiB).
 * So bytes are credited on arrival, up to a bound, and beyond it when they are consumed.
 */
export class ConnectionCredit {
  private readonly maxAheadBytes: number;
  /** By readers, of all streams. */
  heldBytes = 0;
  private aheadBytes = 0;

  /** @param windowBytes of the connection; paused readers hold twice as much beyond it before they slow the others down */
  constructor(windowBytes: number) {
    this.maxAheadBytes = 2 * windowBytes;
  }

  /** Bytes now held for a reader; how many of them to credit at once. */
  hold(bytes: number): number {
    this.heldBytes += bytes;
    const credited = Math.min(bytes, this.maxAheadBytes - this.aheadBytes);
    this.aheadBytes += credited;
    return credited;
  }

  /** Bytes no longer held; how many are to be credited now. */
  release(bytes: number): number {
    const owedBefore = this.heldBytes - this.aheadBytes;
    this.heldBytes -= bytes;
    this.aheadBytes = Math.min(this.aheadBytes, this.heldBytes);
    return owedBefore - (this.heldBytes - this.aheadBytes);
  }
}

/** Of a connection's window that is large enough, what is kept for streams that have little to say. */
const keptBytes = 32 * 1024;
const largeBytes = 512 * 1024;

/** What the peer allows us to send. May be negative after SETTINGS have shrunk it (§6.9.2). */
export class SendWindow {
  available: number;
  /** The most there has been: about its size. */
  private most: number;

  constructor(sizeBytes: number) {
    this.available = sizeBytes;
    this.most = sizeBytes;
  }

  /** For a stream that has much to say. */
  get availableForMuch(): number {
    return this.most < largeBytes ? this.available : this.available - keptBytes;
  }

  take(bytes: number): void {
    this.available -= bytes;
  }

  /** @param bytes may be negative for a change of SETTINGS_INITIAL_WINDOW_SIZE */
  grow(bytes: number): 'within' | 'overflow' {
    if (this.available + bytes > maxWindowBytes) return 'overflow';
    this.available += bytes;
    if (this.available > this.most) this.most = this.available;
    return 'within';
  }
}
