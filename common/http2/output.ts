// What a session has to send, in order: control frames at once, DATA of the ready streams in turns, as far as windows allow.
// In: frames and ready streams. Out: buffers for one write; payloads of DATA are the application's own buffers.
import { withHeadroom } from '../net/read-buffers.ts';
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
  take(
    budgetBytes: number,
    connection: SendWindow,
    maxFrameBytes: number,
    out: Buffer[],
    spent: Buffer[],
  ): SentDuringTake {
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
      const sent = putData(stream, limit, out, spent);
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
function putData(stream: StreamState, limitBytes: number, out: Buffer[], spent: Buffer[]): number {
  const laid = layHeader(stream, limitBytes, out, spent);
  if (laid > 0) return laid;
  const header = Buffer.allocUnsafe(frameHeaderBytes);
  const at = out.push(header) - 1;
  const length = stream.queue.take(Math.max(0, limitBytes), out, spent);
  if (length === 0 && !isLast(stream)) {
    out.splice(at, 1);
    return 0;
  }
  putHeader(header, stream, length);
  return length;
}

/** Worth it where copying header and payload together costs more than a small write. */
const laidFromBytes = 16 * 1024;

/** A large chunk that has room in front becomes a frame where it stands. 0 where it cannot. */
function layHeader(stream: StreamState, limitBytes: number, out: Buffer[], spent: Buffer[]): number {
  if (stream.queue.bytes < laidFromBytes) return 0;
  const chunk = stream.queue.takeWhole(limitBytes, laidFromBytes);
  if (chunk === undefined) return 0;
  const frame = withHeadroom(chunk, frameHeaderBytes);
  spent.push(chunk);
  const header = frame ?? Buffer.allocUnsafe(frameHeaderBytes);
  putHeader(header, stream, chunk.length);
  out.push(header);
  if (frame === undefined) out.push(chunk);
  return chunk.length;
}

function isLast({ sending, queue }: StreamState): boolean {
  return sending === 'ending' && queue.bytes === 0;
}

function putHeader(into: Buffer, stream: StreamState, length: number): void {
  const end = isLast(stream);
  if (end) stream.sending = 'ended';
  writeFrameHeader(into, 0, {
    length,
    type: frameTypes.DATA,
    flags: end ? flags.END_STREAM : 0,
    streamId: stream.id,
  });
}
