// What a session has to send, in order: control frames at once, then DATA of streams that have little, then of the others in turns.
// In: frames and ready streams. Out: buffers for one write; payloads of DATA are the application's own buffers.
import { withHeadroom } from '../net/read-buffers.ts';
import type { SendWindow } from './flow-control.ts';
import { flags, frameHeaderBytes, frameTypes, writeFrameHeader } from './frame-codec.ts';
import type { StreamState } from './stream-state.ts';

/** One stream's share of a turn. Less costs more CPU, and a message no longer waits for these turns. */
const turnBytes = 256 * 1024;
/** Streams with no more than this go before those that are in line with more: a message does not wait for bulk. */
const littleBytes = 16 * 1024;
/** A stream's queue below this lets its writer go on. */
const writerLowBytes = 128 * 1024;
export const writerHighBytes = 256 * 1024;
/** Small chunks cost more memory than they hold. */
export const writerHighChunks = 1024;

export interface Taken {
  /** For one write. */
  readonly out: readonly Buffer[];
  /** Streams whose writer may go on. */
  readonly writable: readonly StreamState[];
  /** Streams whose END_STREAM has gone out. */
  readonly ended: readonly StreamState[];
}

export class Output {
  private control: Buffer[] = [];
  private readonly ready = new Set<StreamState>();

  /** Whether streams are in line. */
  get hasReady(): boolean {
    return this.ready.size > 0;
  }
  /** Control frames not yet taken; grows while the peer does not read. */
  get controlFrames(): number {
    return this.control.length;
  }

  addControl(frame: Buffer): void {
    // Mostly there is one, for which `push` would make room for many.
    if (this.control.length === 0) this.control = [frame];
    else this.control.push(frame);
  }

  markReady(stream: StreamState): void {
    this.ready.add(stream);
  }

  forget(stream: StreamState): void {
    this.ready.delete(stream);
  }

  /** Takes control frames and up to about `budgetBytes` of DATA. */
  take(budgetBytes: number, connection: SendWindow, maxFrameBytes: number, spent: Buffer[]): Taken {
    const out = this.control;
    this.control = [];
    const round: Round = {
      budget: budgetBytes,
      mostBytes: Math.min(maxFrameBytes, turnBytes),
      connection,
      out,
      spent,
      writable: [],
      ended: [],
    };
    if (this.ready.size > 1) {
      // A half at most, so that many with little do not keep out one with much.
      for (const stream of this.ready) {
        if (round.budget <= budgetBytes / 2) break;
        if (stream.queue.bytes <= littleBytes) this.serve(stream, round);
      }
    }
    for (const stream of this.ready) {
      if (round.budget <= 0) break;
      this.serve(stream, round);
    }
    return round;
  }

  /** One turn of one stream. */
  private serve(stream: StreamState, round: Round): void {
    const { connection, out, spent } = round;
    const wanted = stream.queue.bytes;
    const ofConnection = wanted <= littleBytes ? connection.available : connection.availableForMuch;
    const limit = Math.min(stream.sendWindow.available, ofConnection, round.mostBytes, round.budget);
    // A connection out of window keeps its streams in line; a stream out of window leaves it until its window grows.
    if (wanted > 0 && ofConnection <= 0 && stream.sendWindow.available > 0) return;
    this.ready.delete(stream);
    if (wanted > 0 && limit <= 0) return;
    const sent = putData(stream, limit, out, spent);
    round.budget -= sent;
    stream.sendWindow.take(sent);
    connection.take(sent);
    if (stream.sending === 'ended') round.ended.push(stream);
    else if (stream.queue.bytes > 0 && stream.sendWindow.available > 0) this.ready.add(stream);
    if (stream.writer === 'waiting' && hasRoom(stream)) {
      stream.writer = 'free';
      round.writable.push(stream);
    }
  }
}

/** One `take`. */
interface Round {
  /** Bytes of DATA that may still go into this write. */
  budget: number;
  /** Of one frame. */
  readonly mostBytes: number;
  readonly connection: SendWindow;
  readonly out: Buffer[];
  readonly spent: Buffer[];
  readonly writable: StreamState[];
  readonly ended: StreamState[];
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
