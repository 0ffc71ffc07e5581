// One CONNECT stream of a session as a ByteStream. In: the session's events. Out: the sink's calls; bytes count against the
// peer's window until the sink has them, so a paused reader stops its own stream only.
import { MeshError } from '../errors.ts';
import type { ByteSink, ByteStream } from '../net/byte-stream.ts';
import type { ConnectionSession } from './connection-session.ts';
import { errorCodes, errorCodeText } from './error-code.ts';
import { HeldBytes } from './held-bytes.ts';
import type { StreamEnd, StreamEvents, StreamState } from './stream-state.ts';

const maxDiscardedBytes = 4 * 1024 * 1024;

export class SessionStream implements ByteStream, StreamEvents {
  private readonly session: ConnectionSession;
  private readonly stream: StreamState;
  private sink: ByteSink | undefined;
  private flow: 'paused' | 'flowing' = 'paused';
  private readonly held = new HeldBytes();
  private peerEnd: 'none' | 'pending' | 'delivered' = 'none';
  private outcome: { readonly error: Error | undefined } | undefined;
  private close: 'due' | 'delivered' = 'due';
  private delivery: 'idle' | 'scheduled' = 'idle';
  /** Written after the peer had cancelled. */
  private discardedBytes = 0;

  constructor(session: ConnectionSession, stream: StreamState) {
    this.session = session;
    this.stream = stream;
  }

  open(sink: ByteSink): void {
    this.sink = sink;
    this.flow = 'flowing';
    this.deliverSoon();
  }

  pause(): void {
    this.flow = 'paused';
  }

  resume(): void {
    if (!this.sink || this.flow === 'flowing') return;
    this.flow = 'flowing';
    this.deliverSoon();
  }

  write(chunk: Buffer): boolean {
    if (this.outcome === undefined) return this.session.write(this.stream, chunk);
    return this.outcome.error === undefined && this.discard(chunk.length);
  }

  end(): void {
    if (this.outcome === undefined) this.session.end(this.stream);
  }

  reset(reason?: Error): void {
    if (this.close === 'delivered' || this.outcome?.error) return;
    this.outcome = { error: reason ?? new MeshError('CONNECTION_RESET', 'the stream was reset by this side') };
    this.held.clear();
    // RFC 9113 §8.5: how a TCP reset is told; CANCEL and NO_ERROR would read as a clean end (ztunnel.md §3.2).
    this.session.reset(this.stream, 'CONNECT_ERROR');
    this.scheduleDelivery();
  }

  onResponse(): void {}

  onData(chunk: Buffer): void {
    if (this.outcome) return;
    if (this.sink && this.flow === 'flowing' && this.held.isEmpty) this.pass(this.sink, chunk);
    else this.held.push(chunk);
  }

  onEnd(): void {
    this.peerEnd = 'pending';
    this.deliver();
  }

  onWritable(): void {
    this.sink?.onWritable();
  }

  onGone(end: StreamEnd): void {
    if (this.outcome) return;
    const error = errorOf(end);
    this.outcome = { error };
    if (error) this.held.clear();
    else if (this.peerEnd === 'none') this.peerEnd = 'pending';
    if (!error && this.stream.writer === 'waiting') this.onWritable();
    this.deliver();
  }

  /**
   * The peer has cancelled but may have sent bytes before. Whoever takes them must not be kept from it by waiting for a
   * window that never comes, so what it writes meanwhile is dropped, within bounds.
   */
  private discard(bytes: number): boolean {
    this.discardedBytes += bytes;
    if (this.discardedBytes <= maxDiscardedBytes) return true;
    const reason = `the peer cancelled the stream, and ${this.discardedBytes} bytes were written to it since`;
    this.reset(new MeshError('CONNECTION_RESET', reason));
    return false;
  }

  private pass(sink: ByteSink, chunk: Buffer): void {
    sink.onData(chunk);
    this.session.consume(this.stream, chunk.length);
  }

  /** What has come already, if anything has. */
  private deliverSoon(): void {
    if (!this.held.isEmpty || this.peerEnd !== 'none' || this.outcome !== undefined) this.scheduleDelivery();
  }

  private scheduleDelivery(): void {
    if (this.delivery === 'scheduled') return;
    this.delivery = 'scheduled';
    setImmediate(() => {
      this.delivery = 'idle';
      this.deliver();
    });
  }

  private deliver(): void {
    const { sink } = this;
    if (!sink || this.close === 'delivered') return;
    while (this.flow === 'flowing' && !this.outcome?.error) {
      const chunk = this.held.shift();
      if (!chunk) break;
      this.pass(sink, chunk);
    }
    if (!this.held.isEmpty) return;
    if (this.peerEnd === 'pending' && !this.outcome?.error && this.flow === 'flowing') {
      this.peerEnd = 'delivered';
      sink.onEnd();
    }
    if (!this.outcome || (!this.outcome.error && this.peerEnd === 'pending')) return;
    this.close = 'delivered';
    sink.onClose(this.outcome.error);
  }
}

function errorOf(end: StreamEnd): Error | undefined {
  if (end.kind === 'done') return undefined;
  if (end.kind === 'lost') return end.error;
  if (end.code === errorCodes.NO_ERROR || end.code === errorCodes.CANCEL) return undefined;
  return new MeshError('CONNECTION_RESET', `the peer reset the stream (${errorCodeText(end.code)})`);
}
