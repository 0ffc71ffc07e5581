// A two-way byte stream, whatever carries it: TCP, TLS, a CONNECT stream, a raw handle. The copy loop knows nothing else.
// Ownership: a chunk handed to `onData` belongs to the sink from then on, and a chunk handed to `write` belongs to the
// stream from then on. So no side copies, and the last owner may give a pooled buffer back (`release` in read-buffers.ts).

/** Receives what a stream reads. All callbacks come from the event loop, never from inside `open`, `write` or `end`. */
export interface ByteSink {
  /** Bytes from the peer, never empty. Not called while paused. */
  onData(chunk: Buffer): void;
  /** The peer has half-closed; no `onData` follows. Writing may go on. */
  onEnd(): void;
  /** A `write` returned false before, and the stream takes bytes again. */
  onWritable(): void;
  /** Exactly once and last: both directions have ended (no error), or the stream was lost or reset (error). */
  onClose(error: Error | undefined): void;
}

export interface ByteStream {
  /** Attaches the one sink and starts reading. Bytes that came before are delivered afterwards, in order. */
  open(sink: ByteSink): void;
  /** Stops reading; at most what is already in flight to this process is held, the peer is then slowed by its window. */
  pause(): void;
  /** Without a pause before it does nothing. */
  resume(): void;
  /** Queues bytes; false asks the caller to wait for `onWritable`. Not allowed after `end` or `reset` (ignored then). */
  write(chunk: Buffer): boolean;
  /** Half-closes: the peer sees the end after all that was written. */
  end(): void;
  /** Aborts both directions at once; the peer sees a reset, not an end. Idempotent; `onClose` follows. */
  reset(reason?: Error): void;
}
