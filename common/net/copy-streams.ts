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

interface Side {
  readonly stream: ByteStream;
  state: 'open' | 'closed';
}

export function copyStreams(
  downstream: ByteStream,
  upstream: ByteStream,
  count: ByteCount,
  onDone: (error: Error | undefined) => void,
): StreamCopy {
  const down: Side = { stream: downstream, state: 'open' };
  const up: Side = { stream: upstream, state: 'open' };
  let firstLoss: Error | undefined;

  const onClose = (side: Side, other: Side, error: Error | undefined): void => {
    side.state = 'closed';
    if (error) {
      firstLoss ??= error;
      if (other.state === 'open') other.stream.reset(error);
    }
    if (other.state === 'closed') onDone(isOrdinaryEnd(firstLoss) ? undefined : firstLoss);
  };
  downstream.open(
    sinkInto(
      up,
      down,
      (bytes) => count.received(bytes),
      (error) => onClose(down, up, error),
    ),
  );
  upstream.open(
    sinkInto(
      down,
      up,
      (bytes) => count.sent(bytes),
      (error) => onClose(up, down, error),
    ),
  );
  return {
    abort(reason) {
      firstLoss ??= reason;
      downstream.reset(reason);
      upstream.reset(reason);
    },
  };
}

/** What one side reads goes to the other; what the other cannot take stops the reading. */
function sinkInto(
  to: Side,
  from: Side,
  count: (bytes: number) => void,
  onClose: (error: Error | undefined) => void,
): ByteSink {
  return {
    onData(chunk) {
      // A side that has closed without error takes nothing more: as with TCP, writing to it is answered by a reset.
      if (to.state === 'closed') return from.stream.reset(goneReason());
      count(chunk.length);
      if (!to.stream.write(chunk)) from.stream.pause();
    },
    onEnd() {
      if (to.state === 'open') to.stream.end();
    },
    onWritable() {
      if (to.state === 'open') to.stream.resume();
    },
    onClose,
  };
}

function goneReason(): MeshError {
  return new MeshError('CONNECTION_RESET', 'bytes arrived for a side that had already closed its connection');
}

function isOrdinaryEnd(error: Error | undefined): boolean {
  return error === undefined || (error instanceof MeshError && error.code === 'CONNECTION_RESET');
}
