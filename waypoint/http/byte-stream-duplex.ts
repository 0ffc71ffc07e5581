// A ByteStream as a Duplex, for codecs that want Node's streams. Carries back-pressure, half-close and reset both ways.
// In: a ByteStream, which belongs to the Duplex from then on. Out: a Duplex with allowHalfOpen that counts its bytes.
import { Duplex } from 'node:stream';
import type { ByteStream } from '../../common/net/byte-stream.ts';

/** Small writes of one turn (a head and its body) leave as one chunk, so as one frame; larger ones are not copied. */
const gatherBytes = 64 * 1024;

/** How long a peer may take to answer the end of a connection with its own. */
const lingerMs = 5_000;

type Callback = (error?: Error | null) => void;

export class ByteStreamDuplex extends Duplex {
  readBytes = 0;
  writtenBytes = 0;
  readonly #stream: ByteStream;
  #onWritable: Callback | undefined;
  #lifetime: 'open' | 'closed' = 'open';
  #peer: 'open' | 'ended' = 'open';

  constructor(stream: ByteStream) {
    super({ allowHalfOpen: true, highWaterMark: 64 * 1024 });
    this.#stream = stream;
    stream.open({
      onData: (chunk) => {
        this.readBytes += chunk.length;
        if (this.destroyed) stream.reset();
        else if (!this.push(chunk)) stream.pause();
      },
      onEnd: () => {
        this.#peer = 'ended';
        this.push(null);
      },
      onWritable: () => this.#writable(),
      onClose: (error) => {
        this.#lifetime = 'closed';
        if (error !== undefined) this.destroy(error);
        this.#writable();
      },
    });
  }

  override _read(): void {
    if (this.#lifetime === 'open') this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.writtenBytes += chunk.length;
    if (this.#lifetime === 'closed' || this.#stream.write(chunk)) callback();
    else this.#onWritable = callback;
  }

  override _writev(chunks: { chunk: Buffer }[], callback: Callback): void {
    const buffers = chunks.map(({ chunk }) => chunk);
    const total = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    if (total <= gatherBytes) {
      this._write(Buffer.concat(buffers, total), 'binary', callback);
      return;
    }
    const last = buffers.pop();
    for (const buffer of buffers) {
      this.writtenBytes += buffer.length;
      this.#stream.write(buffer);
    }
    if (last !== undefined) this._write(last, 'binary', callback);
  }

  override _final(callback: Callback): void {
    if (this.#lifetime === 'open') this.#stream.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const finished = this.readableEnded && this.writableFinished;
    if (this.#lifetime === 'open' && !finished) this.#giveUp(error);
    this.#writable();
    callback(error);
  }

  /** Between messages a connection is ended, as a socket would be; in the middle of one it is reset, so that no part passes for a whole. */
  #giveUp(error: Error | null): void {
    const isBetweenMessages = this.#peer === 'ended' || isIdleClose(error);
    if (!isBetweenMessages || this.writableLength > 0) {
      this.#stream.reset(error ?? undefined);
      return;
    }
    this.#stream.end();
    this.#stream.resume();
    setTimeout(() => {
      if (this.#lifetime === 'open') this.#stream.reset();
    }, lingerMs).unref();
  }

  #writable(): void {
    const callback = this.#onWritable;
    this.#onWritable = undefined;
    callback?.();
  }
}

/** How undici says that it drops a connection which nobody uses. */
function isIdleClose(error: Error | null): boolean {
  return error !== null && 'code' in error && error.code === 'UND_ERR_INFO';
}
