// Looks at the first bytes of a stream without taking them. In: a ByteStream and a decision over what came so far. Out: the decision,
// and the same stream from its first byte for whoever opens it next.
import type { ByteSink, ByteStream } from './byte-stream.ts';

export interface Peeked<T> {
  readonly decision: T;
  readonly stream: ByteStream;
  /** A copy of the bytes that it was decided by. */
  readonly start: Buffer;
}

/**
 * @param decide `more` waits for further bytes
 * @param atEnd decides when the peer half-closed, or nothing was decided for `silenceMs`. Only after silence: `wait` keeps on waiting,
 *   `later` asks again when as much time has gone by
 * @returns undefined when the stream was lost before a decision
 */
export function peekStream<T>(
  stream: ByteStream,
  decide: (start: Buffer) => T | 'more',
  atEnd: (why: 'ended' | 'silent') => T | 'wait' | 'later',
  silenceMs: number,
): Promise<Peeked<T> | undefined> {
  return new Promise((resolve) => {
    const held = new HeldStream(stream, () => look());
    const finish = (decision: T): void => {
      clearTimeout(timer);
      held.hold();
      resolve({ decision, stream: held, start: held.start });
    };
    const look = (): void => {
      if (held.state === 'closed') {
        clearTimeout(timer);
        resolve(undefined);
        return;
      }
      const start = held.start;
      const decision = start.length === 0 ? 'more' : decide(start);
      const final = decision === 'more' && held.state === 'ended' ? atEnd('ended') : decision;
      if (final !== 'more' && final !== 'wait' && final !== 'later') finish(final as T);
    };
    const listen = (): NodeJS.Timeout => setTimeout(() => setImmediate(judgeSilence), silenceMs);
    // After the turn in which the time was up: what has long arrived is read only then if this thread was busy.
    const judgeSilence = (): void => {
      if (!held.isPeeking) return;
      const decision = atEnd('silent');
      if (decision === 'later') timer = listen();
      else if (decision !== 'wait') finish(decision as T);
    };
    let timer = listen();
  });
}

type Event =
  | { readonly kind: 'data'; readonly chunk: Buffer }
  | { readonly kind: 'end' }
  | { readonly kind: 'close'; readonly error: Error | undefined };

/** Keeps what happened until its sink takes it, in order; from then on events go straight through. */
class HeldStream implements ByteStream {
  state: 'open' | 'ended' | 'closed' = 'open';
  readonly #stream: ByteStream;
  readonly #events: Event[] = [];
  #onEvent: (() => void) | undefined;
  #sink: ByteSink | undefined;
  #flow: 'held' | 'flowing' | 'paused' = 'held';

  constructor(stream: ByteStream, onEvent: () => void) {
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

  /** Nothing more is read until the sink comes. */
  hold(): void {
    this.#onEvent = undefined;
    this.#stream.pause();
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
