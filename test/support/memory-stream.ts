// Two ByteStreams joined in memory, for tests: what one writes the other reads, with back-pressure, half-close and reset.
import { MeshError } from '../../common/errors.ts';
import type { ByteSink, ByteStream } from '../../common/net/byte-stream.ts';

export function createStreamPair(options: { highWaterMarkBytes?: number } = {}): [ByteStream, ByteStream] {
  const limit = options.highWaterMarkBytes ?? 64 * 1024;
  const left = new MemoryStream(limit);
  const right = new MemoryStream(limit);
  left.peer = right;
  right.peer = left;
  return [left, right];
}

class MemoryStream implements ByteStream {
  peer: MemoryStream | undefined;
  private readonly limit: number;
  private sink: ByteSink | undefined;
  private inbound: (Buffer | 'end')[] = [];
  private inboundBytes = 0;
  private paused = false;
  private scheduled = false;
  private readEnded = false;
  private writeEnded = false;
  private writeBlocked = false;
  private outcome: { error: Error | undefined } | undefined;
  private closed = false;

  constructor(limit: number) {
    this.limit = limit;
  }

  open(sink: ByteSink): void {
    this.sink = sink;
    this.schedule();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.schedule();
  }

  write(chunk: Buffer): boolean {
    const peer = this.peer;
    if (!peer || this.writeEnded || this.outcome || chunk.length === 0) return false;
    peer.inbound.push(chunk);
    peer.inboundBytes += chunk.length;
    peer.schedule();
    this.writeBlocked = peer.inboundBytes >= this.limit;
    return !this.writeBlocked;
  }

  end(): void {
    if (this.writeEnded || this.outcome) return;
    this.writeEnded = true;
    this.peer?.inbound.push('end');
    this.peer?.schedule();
    this.schedule();
  }

  reset(reason?: Error): void {
    if (this.outcome) return;
    this.outcome = { error: reason ?? new MeshError('CONNECTION_RESET', 'reset by this side') };
    this.schedule();
    const peer = this.peer;
    if (!peer || peer.outcome) return;
    peer.outcome = { error: new MeshError('CONNECTION_RESET', 'reset by the peer') };
    peer.schedule();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.deliver();
    });
  }

  private deliver(): void {
    const sink = this.sink;
    if (!sink || this.closed) return;
    while (!this.outcome && !this.paused && this.inbound.length > 0) this.deliverOne(sink);
    if (this.readEnded && this.writeEnded) this.outcome ??= { error: undefined };
    if (!this.outcome) return;
    this.closed = true;
    sink.onClose(this.outcome.error);
  }

  private deliverOne(sink: ByteSink): void {
    const next = this.inbound.shift();
    if (next === undefined) return;
    if (next === 'end') {
      this.readEnded = true;
      sink.onEnd();
      return;
    }
    this.inboundBytes -= next.length;
    sink.onData(next);
    const peer = this.peer;
    if (!peer?.writeBlocked || this.inboundBytes >= this.limit / 2) return;
    peer.writeBlocked = false;
    setImmediate(() => {
      if (!peer.outcome && !peer.writeEnded) peer.sink?.onWritable();
    });
  }
}
