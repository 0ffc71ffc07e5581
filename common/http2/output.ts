// What a session has to send, in order: control frames at once, DATA of the ready streams in turns, as far as windows allow.
// In: frames and ready streams. Out: buffers for one write; payloads of DATA are the application's own buffers.
import type { SendWindow } from './flow-control.ts';
import { flags, frameHeaderBytes, frameTypes, writeFrameHeader } from './frame-codec.ts';
import type { StreamState } from './stream-state.ts';

/** One stream's share of a turn, so that a bulk stream does not keep small ones waiting. */
const turnBytes = 256 * 1024;
/** A stream's queue below this lets its writer go on. */
const writerLowBytes = 128 * 1024;
export const writerHighBytes = 256 * 1024;
/** Small chunks cost more memory than they hold. */
export const writerHighChunks = 1024;

export interface SentDuringTake {
  /** Streams whose writer may go on. */
  readonly writable: readonly StreamState[];
  /** Streams whose END_STREAM has gone out. */
  readonly ended: readonly StreamState[];
}

export class Output {
  private control: Buffer[] = [];
  private readonly ready = new Set<StreamState>();

  get isEmpty(): boolean {
    return this.control.length === 0 && this.ready.size === 0;
  }
  /** Control frames not yet taken; grows while the peer does not read. */
  get controlFrames(): number {
    return this.control.length;
  }

  addControl(frame: Buffer): void {
    this.control.push(frame);
  }

  markReady(stream: StreamState): void {
    this.ready.add(stream);
  }

  forget(stream: StreamState): void {
    this.ready.delete(stream);
  }

  /** Moves control frames and up to about `budgetBytes` of DATA into `out`. */
  take(budgetBytes: number, connection: SendWindow, maxFrameBytes: number, out: Buffer[]): SentDuringTake {
    out.push(...this.control);
    this.control = [];
    const writable: StreamState[] = [];
    const ended: StreamState[] = [];
    let budget = budgetBytes;
    for (const stream of this.ready) {
      if (budget <= 0) break;
      const limit = Math.min(stream.sendWindow.available, connection.available, maxFrameBytes, turnBytes, budget);
      const wanted = stream.queue.bytes;
      // A connection out of window keeps its streams in line; a stream out of window leaves it until its window grows.
      if (wanted > 0 && connection.available <= 0 && stream.sendWindow.available > 0) continue;
      this.ready.delete(stream);
      if (wanted > 0 && limit <= 0) continue;
      const sent = putData(stream, limit, out);
      budget -= sent;
      stream.sendWindow.take(sent);
      connection.take(sent);
      if (stream.sending === 'ended') ended.push(stream);
      else if (stream.queue.bytes > 0 && stream.sendWindow.available > 0) this.ready.add(stream);
      if (stream.writer === 'waiting' && hasRoom(stream)) {
        stream.writer = 'free';
        writable.push(stream);
      }
    }
    return { writable, ended };
  }
}

function hasRoom({ queue }: StreamState): boolean {
  return queue.bytes < writerLowBytes && queue.count < writerHighChunks / 2;
}

/** One DATA frame; none when there is nothing to say. How many bytes of window it took. */
function putData(stream: StreamState, limitBytes: number, out: Buffer[]): number {
  const header = Buffer.allocUnsafe(frameHeaderBytes);
  const at = out.push(header) - 1;
  const length = stream.queue.take(Math.max(0, limitBytes), out);
  const isEnd = stream.sending === 'ending' && stream.queue.bytes === 0;
  if (length === 0 && !isEnd) {
    out.splice(at, 1);
    return 0;
  }
  if (isEnd) stream.sending = 'ended';
  writeFrameHeader(header, 0, {
    length,
    type: frameTypes.DATA,
    flags: isEnd ? flags.END_STREAM : 0,
    streamId: stream.id,
  });
  return length;
}
