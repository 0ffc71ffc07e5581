// Carries bytes both ways between two streams until each direction has finished, whatever carries them (ztunnel.md §3.7).
// In: the streams (not yet opened) and a counter. Out: `onDone` once, without error for every ending that a program can cause.
import { MeshError } from '../errors.ts';
import type { ByteSink, ByteStream } from './byte-stream.ts';

export interface ByteCount {
  /** Bytes read from downstream, on their way upstream. */
  received(bytes: number): void;
  /** Bytes read from upstream, on their way downstream. */
  sent(bytes: number): void;
}

export interface StreamCopy {
  /** Resets both sides; `onDone` follows with the reason. */
  abort(reason: Error): void;
}

export function copyStreams(
  downstream: ByteStream,
  upstream: ByteStream,
  count: ByteCount,
  onDone: (error: Error | undefined) => void,
): StreamCopy {
  const copy = new TwoWayCopy(downstream, upstream, count, onDone);
  downstream.open(copy.down);
  upstream.open(copy.up);
  return copy;
}

class TwoWayCopy implements StreamCopy {
  readonly down: Side;
  readonly up: Side;
  readonly count: ByteCount;
  readonly #onDone: (error: Error | undefined) => void;
  #firstLoss: Error | undefined;

  constructor(
    downstream: ByteStream,
    upstream: ByteStream,
    count: ByteCount,
    onDone: (error: Error | undefined) => void,
  ) {
    this.count = count;
    this.#onDone = onDone;
    this.down = new Side(this, downstream, 'down');
    this.up = new Side(this, upstream, 'up');
  }

  abort(reason: Error): void {
    this.#firstLoss ??= reason;
    this.down.stream.reset(reason);
    this.up.stream.reset(reason);
  }

  closed(other: Side, error: Error | undefined): void {
    if (error) {
      this.#firstLoss ??= error;
      if (other.state === 'open') other.stream.reset(error);
    }
    if (other.state === 'closed') this.#onDone(isOrdinaryEnd(this.#firstLoss) ? undefined : this.#firstLoss);
  }
}

/** What one side reads goes to the other; what the other cannot take stops the reading. */
class Side implements ByteSink {
  readonly stream: ByteStream;
  state: 'open' | 'closed' = 'open';
  readonly #copy: TwoWayCopy;
  readonly #place: 'down' | 'up';

  constructor(copy: TwoWayCopy, stream: ByteStream, place: 'down' | 'up') {
    this.#copy = copy;
    this.stream = stream;
    this.#place = place;
  }

  get #other(): Side {
    return this.#place === 'down' ? this.#copy.up : this.#copy.down;
  }

  onData(chunk: Buffer): void {
    const other = this.#other;
    // A side that has closed without error takes nothing more: as with TCP, writing to it is answered by a reset.
    if (other.state === 'closed') {
      this.stream.reset(goneReason());
      return;
    }
    if (this.#place === 'down') this.#copy.count.received(chunk.length);
    else this.#copy.count.sent(chunk.length);
    if (!other.stream.write(chunk)) this.stream.pause();
  }

  onEnd(): void {
    if (this.#other.state === 'open') this.#other.stream.end();
  }

  onWritable(): void {
    if (this.#other.state === 'open') this.#other.stream.resume();
  }

  onClose(error: Error | undefined): void {
    this.state = 'closed';
    this.#copy.closed(this.#other, error);
  }
}

function goneReason(): MeshError {
  return new MeshError('CONNECTION_RESET', 'bytes arrived for a side that had already closed its connection');
}

function isOrdinaryEnd(error: Error | undefined): boolean {
  return error === undefined || (error instanceof MeshError && error.code === 'CONNECTION_RESET');
}
