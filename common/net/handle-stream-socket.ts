// A connected TCP handle as a ByteStream. In: the handle, which belongs to the stream from then on. Out: lent chunks; losses as
// MeshErrors CONNECTION_RESET or IO_FAILED with the cause.
// Hot path: test/bench/tunnel.ts.
import type { Socket } from 'node:net';
import { MeshError } from '../errors.ts';
import type { ByteSink } from './byte-stream.ts';
import { HandleReader } from './handle-reader-socket.ts';
import { release } from './read-buffers.ts';
import type { AcceptedByteStream } from './socket-factory.ts';
import { connectionLoss } from './socket-failure.ts';
import { endOfStream, errorOf, shutDown, type TcpHandle, writeTo } from './stream-handle-socket.ts';
import { socketOfHandle } from './tcp-handle-socket.ts';

/** Bytes that wait for the kernel; beyond them the writer is to wait. */
const writerHighBytes = 128 * 1024;

const noBytes = Buffer.alloc(0);

export class HandleStream implements AcceptedByteStream {
  private readonly handle: TcpHandle;
  private readonly peer: () => string;
  private sink: ByteSink | undefined;
  private state: 'open' | 'closing' | 'closed' = 'open';
  private reading: 'open' | 'ended' = 'open';
  private writing: 'open' | 'ending' | 'shutting' | 'ended' = 'open';
  private failure: Error | undefined;
  /** The first is being written. */
  private unwritten: Buffer[] = [];
  private unwrittenBytes = 0;
  private writer: 'free' | 'waiting' = 'free';
  private reader: HandleReader | undefined;

  /** @param peer names it for messages */
  constructor(handle: TcpHandle, peer: () => string) {
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
    this.reader = new HandleReader('tcp', this.handle, {
      onChunk: (chunk) => sink.onData(chunk),
      onEnd: (status) => this.readEnded(status),
    });
    this.resume();
  }

  pause(): void {
    if (this.state === 'open') this.handle.readStop();
  }

  resume(): void {
    if (this.state !== 'open' || this.reading === 'ended' || this.failure || !this.sink) return;
    const status = this.handle.readStart();
    if (status < 0) this.failSoon(errorOf('read', status));
  }

  write(chunk: Buffer): boolean {
    if (this.state !== 'open' || this.writing !== 'open') return false;
    if (this.unwritten.length > 0) this.queue(chunk);
    else this.send(chunk);
    if (this.unwrittenBytes < writerHighBytes) return this.failure === undefined;
    this.writer = 'waiting';
    return false;
  }

  end(): void {
    if (this.state !== 'open' || this.writing !== 'open') return;
    this.writing = 'ending';
    if (this.unwritten.length === 0) this.shutDown();
  }

  reset(reason?: Error): void {
    if (this.state !== 'open') return;
    this.failure ??=
      reason ?? new MeshError('CONNECTION_RESET', `the connection with ${this.peer()} was reset by this side`);
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

  private readEnded(status: number): void {
    if (this.state !== 'open') return;
    if (status !== endOfStream) return void this.fail(errorOf('read', status));
    this.reading = 'ended';
    this.handle.readStop();
    this.sink?.onEnd();
    this.closeIfEnded();
  }

  private queue(chunk: Buffer): void {
    this.unwritten.push(chunk);
    this.unwrittenBytes += chunk.length;
  }

  private send(chunk: Buffer): void {
    const result = writeTo(this.handle, chunk, (status) => this.wrote(status));
    if (result === 'done') release(chunk);
    else if (result === 'pending') {
      this.unwritten.unshift(chunk);
      this.unwrittenBytes += chunk.length;
    } else this.failSoon(errorOf('write', result));
  }

  private wrote(status: number): void {
    if (this.state !== 'open') return;
    if (status < 0) return void this.fail(errorOf('write', status));
    release(this.takeFirst());
    while (this.unwritten.length > 0) {
      const chunk = this.takeFirst();
      const before = this.unwritten.length;
      this.send(chunk);
      if (this.unwritten.length > before || this.failure) return;
    }
    if (this.writing === 'ending') this.shutDown();
    else if (this.writer === 'waiting' && this.writing === 'open') {
      this.writer = 'free';
      this.sink?.onWritable();
    }
  }

  private takeFirst(): Buffer {
    const chunk = this.unwritten.shift() ?? noBytes;
    this.unwrittenBytes -= chunk.length;
    return chunk;
  }

  private shutDown(): void {
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
    this.failure ??= connectionLoss(this.peer(), cause);
    this.close('ended');
  }

  /** From inside `write` and `end` no callback may come. */
  private failSoon(cause: Error): void {
    if (this.state !== 'open') return;
    this.failure ??= connectionLoss(this.peer(), cause);
    setImmediate(() => this.fail(cause));
  }

  private close(how: 'ended' | 'reset'): void {
    this.state = 'closing';
    this.handle.onread = () => undefined;
    const closed = (): void => this.closed();
    if (how === 'ended' || this.handle.reset(closed) < 0) this.handle.close(closed);
  }

  private closed(): void {
    this.state = 'closed';
    for (const chunk of this.unwritten) release(chunk);
    this.unwritten = [];
    this.reader?.close();
    this.sink?.onClose(this.failure);
  }
}
