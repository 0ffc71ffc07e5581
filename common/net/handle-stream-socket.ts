// A connected TCP handle as a ByteStream. In: the handle, which belongs to the stream from then on. Out: lent chunks; losses as
// MeshErrors CONNECTION_RESET or IO_FAILED with the cause.
// Hot path: test/bench/tunnel.ts.
import type { Socket } from 'node:net';
import { MeshError } from '../errors.ts';
import { formatSocketAddress, type SocketAddress } from './address.ts';
import type { ByteSink } from './byte-stream.ts';
import { type HandleEvents, HandleReader } from './handle-reader-socket.ts';
import { release } from './read-buffers.ts';
import type { AcceptedByteStream } from './socket-factory.ts';
import { connectionLoss } from './socket-failure.ts';
import { endOfStream, errorOf, shutDown, type TcpHandle, writeTo } from './stream-handle-socket.ts';
import { systemCalls } from './system-calls-socket.ts';
import { socketOfHandle } from './tcp-handle-socket.ts';

/** Bytes that wait for the kernel; beyond them the writer is to wait. */
const writerHighBytes = 128 * 1024;

/**
 * TLS records of a large message come one by one in the same turn: they are written together, at the turn's end or when they are
 * this much. What is smaller than a full record goes at once, with whatever waits.
 */
const gatherFromBytes = 8 * 1024;
const gatherToBytes = 64 * 1024;

/** EALREADY: whoever resumes what is not paused wants nothing. */
const readsAlready = -114;

const ignoreRead = (): undefined => undefined;

let gathering: HandleStream[] = [];

function gather(stream: HandleStream): void {
  if (gathering.length === 0) setImmediate(flushGathered);
  gathering.push(stream);
}

function flushGathered(): void {
  const streams = gathering;
  gathering = [];
  for (const stream of streams) stream.flush();
}

export class HandleStream implements HandleEvents, AcceptedByteStream {
  private readonly handle: TcpHandle;
  private readonly peer: SocketAddress;
  private sink: ByteSink | undefined;
  private state: 'open' | 'closing' | 'closed' = 'open';
  private reading: 'open' | 'ended' = 'open';
  private writing: 'open' | 'ending' | 'shutting' | 'ended' = 'open';
  private failure: Error | undefined;
  /** Not yet given to the kernel. */
  private queue: Buffer[] = [];
  private queuedBytes = 0;
  /** Given to the kernel, which has not taken all of it yet. */
  private inFlight: readonly Buffer[] | undefined;
  private inFlightBytes = 0;
  private writer: 'free' | 'waiting' = 'free';
  private reader: HandleReader | undefined;

  /** @param peer for messages */
  constructor(handle: TcpHandle, peer: SocketAddress) {
    this.handle = handle;
    this.peer = peer;
  }

  open(sink: ByteSink): void {
    this.sink = sink;
    if (this.state === 'closed') {
      setImmediate(() => sink.onClose(this.failure));
      return;
    }
    if (this.state === 'closing') return;
    this.reader = new HandleReader('tcp', this.handle, this);
    this.resume();
  }

  pause(): void {
    if (this.state === 'open') this.handle.readStop();
  }

  resume(): void {
    if (this.state !== 'open' || this.reading === 'ended' || this.failure || !this.sink) return;
    const status = this.handle.readStart();
    if (status < 0 && status !== readsAlready) this.failSoon(errorOf('read', status));
  }

  write(chunk: Buffer): boolean {
    if (this.state !== 'open' || this.writing !== 'open') return false;
    // Mostly there is one, for which `push` would make room for many.
    if (this.queue.length === 0) this.queue = [chunk];
    else this.queue.push(chunk);
    this.queuedBytes += chunk.length;
    if (this.inFlight === undefined) {
      if (chunk.length < gatherFromBytes || this.queuedBytes >= gatherToBytes) this.flush();
      else if (this.queue.length === 1) gather(this);
    }
    if (this.queuedBytes + this.inFlightBytes < writerHighBytes) return this.failure === undefined;
    this.writer = 'waiting';
    return false;
  }

  end(): void {
    if (this.state !== 'open' || this.writing !== 'open') return;
    this.writing = 'ending';
    this.flush();
    if (this.inFlight === undefined && this.queue.length === 0) this.shutDown();
  }

  /** Gives the kernel all that waits, in one call. */
  flush(): void {
    if (this.inFlight !== undefined || this.queue.length === 0 || this.state !== 'open' || this.failure) return;
    const chunks = this.queue;
    const bytes = this.queuedBytes;
    const [first] = chunks;
    const bytesToWrite = chunks.length === 1 && first !== undefined ? first : chunks;
    const result = writeTo(this.handle, bytesToWrite, this.written);
    if (result === 'pending') {
      this.inFlight = chunks;
      this.inFlightBytes = bytes;
      this.queue = [];
    } else if (result === 'done') {
      for (const chunk of chunks) release(chunk);
      chunks.length = 0;
    } else this.failSoon(errorOf('write', result));
    if (this.failure === undefined) this.queuedBytes = 0;
  }

  reset(reason?: Error): void {
    if (this.state !== 'open') return;
    this.failure ??=
      reason ??
      new MeshError('CONNECTION_RESET', `the connection with ${formatSocketAddress(this.peer)} was reset by this side`);
    // libuv refuses a reset while a shutdown is under way.
    if (this.writing === 'shutting') this.handle.readStop();
    else this.close('reset');
  }

  takeSocket(start: Buffer): Socket | undefined {
    if (this.state !== 'open' || this.failure) return undefined;
    this.handle.readStop();
    this.state = 'closed';
    this.reader?.close();
    return socketOfHandle(this.handle, start);
  }

  /** From its reader, as `onEnd`. */
  onChunk(chunk: Buffer): void {
    this.sink?.onData(chunk);
  }

  onEnd(status: number): void {
    if (this.state !== 'open') return;
    if (status !== endOfStream) return void this.fail(errorOf('read', status));
    this.reading = 'ended';
    this.handle.readStop();
    this.sink?.onEnd();
    this.closeIfEnded();
  }

  private readonly written = (status: number): void => {
    if (this.state !== 'open') return;
    if (status < 0) return void this.fail(errorOf('write', status));
    for (const chunk of this.inFlight ?? []) release(chunk);
    this.inFlight = undefined;
    this.inFlightBytes = 0;
    this.flush();
    if (this.inFlight !== undefined || this.failure) return;
    if (this.writing === 'ending') this.shutDown();
    else if (this.writer === 'waiting' && this.writing === 'open') {
      this.writer = 'free';
      this.sink?.onWritable();
    }
  };

  /** All is written. */
  private shutDown(): void {
    // Closing says the same as half-closing, once there is nothing more to read.
    if (this.reading === 'ended' || this.halfClose()) {
      this.writing = 'ended';
      this.closeIfEnded();
    } else this.shutDownLater();
  }

  /** At once, where the kernel has taken all bytes: libuv would take a turn of the event loop and a request object. */
  private halfClose(): boolean {
    try {
      systemCalls().shutdownWriting(this.handle.fd);
      return true;
    } catch {
      // The peer has reset the connection, which libuv will tell.
      return false;
    }
  }

  private shutDownLater(): void {
    this.writing = 'shutting';
    shutDown(this.handle, (status) => {
      this.writing = 'ended';
      if (this.state !== 'open') return;
      if (this.failure) this.close('reset');
      else if (status < 0) this.failSoon(errorOf('shutdown', status));
      else this.closeIfEnded();
    });
  }

  private closeIfEnded(): void {
    if (this.reading === 'ended' && this.writing === 'ended' && this.state === 'open') this.close('ended');
  }

  private fail(cause: Error): void {
    if (this.state !== 'open') return;
    this.failure ??= connectionLoss(formatSocketAddress(this.peer), cause);
    this.close('ended');
  }

  /** From inside `write` and `end` no callback may come. */
  private failSoon(cause: Error): void {
    if (this.state !== 'open') return;
    this.failure ??= connectionLoss(formatSocketAddress(this.peer), cause);
    setImmediate(() => this.fail(cause));
  }

  private close(how: 'ended' | 'reset'): void {
    this.state = 'closing';
    this.handle.onread = ignoreRead;
    const closed = (): void => this.closed();
    if (how === 'ended' || this.handle.reset(closed) < 0) this.handle.close(closed);
  }

  private closed(): void {
    this.state = 'closed';
    for (const chunk of this.inFlight ?? []) release(chunk);
    for (const chunk of this.queue) release(chunk);
    this.inFlight = undefined;
    this.queue = [];
    this.reader?.close();
    this.sink?.onClose(this.failure);
  }
}
