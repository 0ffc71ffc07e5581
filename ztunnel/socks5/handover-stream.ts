// A client's stream that is talked to first and carried afterwards: the entry reads its request, then the ordinary
// outbound path gets this stream. Opening it answers "connected"; resetting it before answers why not.
import type { ByteSink, ByteStream } from '../../common/net/byte-stream.ts';

export interface Replies {
  readonly connected: Buffer;
  failed(reason: Error): Buffer;
}

/** Before the handover, what arrives goes to `onTalk`; from then on it waits for the sink. */
export class HandoverStream implements ByteStream, ByteSink {
  readonly #inner: ByteStream;
  #state:
    | { readonly kind: 'talking'; readonly onTalk: (chunk: Buffer) => void; readonly onGone: () => void }
    | { readonly kind: 'waiting'; readonly held: Buffer[]; readonly replies: Replies }
    | { readonly kind: 'opening'; readonly held: Buffer[] }
    | { readonly kind: 'carrying'; readonly sink: ByteSink }
    | { readonly kind: 'refused' };
  #ended: 'no' | 'yes' = 'no';
  #closed: { readonly error: Error | undefined } | undefined;

  constructor(inner: ByteStream, onTalk: (chunk: Buffer) => void, onGone: () => void) {
    this.#inner = inner;
    this.#state = { kind: 'talking', onTalk, onGone };
    inner.open(this);
  }

  /** @param first goes to the sink before anything else */
  handOver(first: Buffer, replies: Replies): void {
    this.#inner.pause();
    this.#state = { kind: 'waiting', held: first.length === 0 ? [] : [first], replies };
  }

  /** Says a last word, for a client whose request leads nowhere. */
  refuse(reply: Buffer): void {
    this.#state = { kind: 'refused' };
    if (reply.length > 0) this.#inner.write(reply);
    this.#inner.end();
    this.#inner.resume();
    // A client that does not hang up after the last word is hung up on.
    setTimeout(() => this.#inner.reset(), 2_000).unref();
  }

  open(sink: ByteSink): void {
    if (this.#state.kind !== 'waiting') return;
    const { held, replies } = this.#state;
    this.#state = { kind: 'opening', held };
    if (replies.connected.length > 0) this.#inner.write(replies.connected);
    setImmediate(() => {
      this.#state = { kind: 'carrying', sink };
      for (const chunk of held) sink.onData(chunk);
      if (this.#ended === 'yes') sink.onEnd();
      if (this.#closed !== undefined) return sink.onClose(this.#closed.error);
      this.#inner.resume();
    });
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  write(chunk: Buffer): boolean {
    return this.#inner.write(chunk);
  }

  end(): void {
    this.#inner.end();
  }

  reset(reason?: Error): void {
    if (this.#state.kind === 'waiting' && reason !== undefined) this.refuse(this.#state.replies.failed(reason));
    else this.#inner.reset(reason);
  }

  onData(chunk: Buffer): void {
    if (this.#state.kind === 'talking') this.#state.onTalk(chunk);
    else if (this.#state.kind === 'carrying') this.#state.sink.onData(chunk);
    else if (this.#state.kind !== 'refused') this.#state.held.push(chunk);
  }

  onEnd(): void {
    this.#ended = 'yes';
    if (this.#state.kind === 'talking') this.#inner.reset();
    else if (this.#state.kind === 'carrying') this.#state.sink.onEnd();
  }

  onWritable(): void {
    if (this.#state.kind === 'carrying') this.#state.sink.onWritable();
  }

  onClose(error: Error | undefined): void {
    this.#closed = { error };
    if (this.#state.kind === 'talking') this.#state.onGone();
    else if (this.#state.kind === 'carrying') this.#state.sink.onClose(error);
  }
}
