// A message body on its way through: counts its bytes, and keeps the reader from destroying the connection it comes from.
// In: the codec's Readable. Out: a Readable with the same bytes, end and loss; giving it up early lets the source run dry.
import { Readable } from 'node:stream';

export class CountedBody extends Readable {
  bytes = 0;
  /** Told of each piece as it passes. */
  onChunk: ((chunk: Buffer) => void) | undefined;
  readonly #source: Readable;

  constructor(source: Readable) {
    super({ highWaterMark: 64 * 1024 });
    this.#source = source;
    source.on('error', (error) => this.destroy(error));
    // From the start: a body without bytes may end before anybody reads it.
    source.on('end', () => this.push(null));
    source.on('close', () => {
      if (!source.readableEnded && !this.destroyed) this.destroy(new Error('the body was cut off before its end'));
    });
  }

  override _construct(callback: () => void): void {
    callback();
  }

  override _read(): void {
    if (this.#source.listenerCount('data') === 0) this.#attach();
    this.#source.resume();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#source.removeAllListeners('data');
    if (!this.#source.readableEnded && !this.#source.destroyed) this.#source.resume();
    callback(error);
  }

  #attach(): void {
    this.#source.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length;
      this.onChunk?.(chunk);
      if (!this.push(chunk)) this.#source.pause();
    });
  }
}
