// A stream that is read before anybody takes it: keeps what happened until its sink comes, in order; from then on events go straight
// through. In: a ByteStream, which belongs to it from then on. Out: the same, and what has been read so far.
import type { ByteSink, ByteStream } from './byte-stream.ts';

type Event =
  | { readonly kind: 'data'; readonly chunk: Buffer }
  | { readonly kind: 'end' }
  | { readonly kind: 'close'; readonly error: Error | undefined };

export class HeldStream implements ByteStream {
  state: 'open' | 'ended' | 'closed' = 'open';
  readonly #stream: ByteStream;
  readonly #events: Event[] = [];
  #onEvent: (() => void) | undefined;
  #sink: ByteSink | undefined;
  #flow: 'held' | 'flowing' | 'paused' = 'held';

  /** @param onEvent told after each event, until `hold` */
  constructor(stream: ByteStream, onEvent: () => void = () => {}) {
    this.#stream = stream;
    this.#onEvent = onEvent;
    stream.open({
      onData: (chunk) => this.#take({ kind: 'data', chunk }),
      onEnd: () => {
        this.state = 'ended';
        this.#take({ kind: 'end' });
      },
      onWritable: () => this.#sink?.onWritable(),
      onClose: (error) => {
        this.state = 'closed';
        // A loss is told at once: what was read before it has lost its meaning with it.
        if (error !== undefined) this.#events.length = 0;
        this.#take({ kind: 'close', error });
      },
    });
  }

  /** What was read so far, as one piece. */
  get start(): Buffer {
    return Buffer.concat(this.#events.flatMap((event) => (event.kind === 'data' ? [event.chunk] : [])));
  }

  get isPeeking(): boolean {
    return this.#onEvent !== undefined && this.state !== 'closed';
  }

  /** Nothing more is read until the sink comes, if it has not come yet. */
  hold(): void {
    this.#onEvent = undefined;
    if (this.#sink === undefined) this.#stream.pause();
  }

  open(sink: ByteSink): void {
    this.#sink = sink;
    this.#resumeLater();
  }

  pause(): void {
    this.#flow = 'paused';
    this.#stream.pause();
  }

  resume(): void {
    if (this.#flow === 'flowing') this.#stream.resume();
    else if (this.#sink !== undefined) this.#resumeLater();
  }

  write(chunk: Buffer): boolean {
    return this.#stream.write(chunk);
  }

  end(): void {
    this.#stream.end();
  }

  reset(reason?: Error): void {
    this.#stream.reset(reason);
  }

  #take(event: Event): void {
    const isLoss = event.kind === 'close' && event.error !== undefined;
    const goesThrough = this.#flow === 'flowing' && this.#events.length === 0;
    if (this.#sink !== undefined && (goesThrough || isLoss)) this.#tell(this.#sink, event);
    else this.#events.push(event);
    this.#onEvent?.();
  }

  #resumeLater(): void {
    this.#flow = 'flowing';
    if (this.#events.length > 0) setImmediate(() => this.#drain());
    else this.#stream.resume();
  }

  #drain(): void {
    const sink = this.#sink;
    while (this.#flow === 'flowing' && sink !== undefined) {
      const event = this.#events.shift();
      if (event === undefined) {
        this.#stream.resume();
        return;
      }
      this.#tell(sink, event);
    }
  }

  #tell(sink: ByteSink, event: Event): void {
    if (event.kind === 'data') sink.onData(event.chunk);
    else if (event.kind === 'end') sink.onEnd();
    else sink.onClose(event.error);
  }
}
