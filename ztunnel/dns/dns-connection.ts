// One TCP connection of a DNS client: queries in, responses out as they come, in whatever order (RFC 7766 §7). Bounded: what is
// answered at a time, what waits to be read by a slow client, and how long it may be silent.
import type { ByteStream } from '../../common/net/byte-stream.ts';
import { frameMessage, MessageFrames } from './message-frames.ts';
import { maxQueryBytes } from './query-codec.ts';

export interface DnsConnectionOptions {
  /** Never rejects. */
  readonly answer: (message: Buffer) => Promise<Buffer | undefined>;
  readonly onClose: () => void;
  /** Default 5 000. */
  readonly idleMs?: number;
}

/** Of one connection at a time; the next are read when there is room again. */
const maxPipelined = 32;

export class DnsConnection {
  readonly #stream: ByteStream;
  readonly #options: DnsConnectionOptions;
  readonly #frames = new MessageFrames(maxQueryBytes);
  readonly #idle: NodeJS.Timeout;
  #queue: Buffer[] = [];
  #waiting = 0;
  #room: 'there' | 'none' = 'there';
  #reading: 'open' | 'paused' | 'ended' = 'open';
  #writing: 'open' | 'ended' | 'closed' = 'open';

  constructor(stream: ByteStream, options: DnsConnectionOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#idle = setTimeout(() => this.#onIdle(), options.idleMs ?? 5_000).unref();
  }

  open(): void {
    this.#stream.open({
      onData: (chunk) => this.#onData(chunk),
      onEnd: () => {
        this.#reading = 'ended';
        this.#pump();
      },
      onWritable: () => {
        this.#room = 'there';
        this.#pump();
      },
      onClose: () => {
        this.#writing = 'closed';
        this.#queue = [];
        clearTimeout(this.#idle);
        this.#options.onClose();
      },
    });
  }

  reset(): void {
    this.#stream.reset();
  }

  #onData(chunk: Buffer): void {
    this.#idle.refresh();
    const step = this.#frames.feed(chunk);
    if (step.kind === 'messages') {
      this.#queue.push(...step.messages);
      this.#pump();
    } else this.reset();
  }

  /** First the end, as a polite server does; whoever does not answer even that is cut off. */
  #onIdle(): void {
    if (this.#writing === 'open') {
      this.#end();
      this.#idle.refresh();
    } else this.reset();
  }

  #pump(): void {
    while (this.#room === 'there' && this.#waiting < maxPipelined) {
      const message = this.#queue.shift();
      if (message === undefined) break;
      this.#waiting++;
      void this.#serve(message);
    }
    this.#regulate();
  }

  /** Nothing more is read while something waits to be answered. */
  #regulate(): void {
    const isWaiting = this.#queue.length > 0;
    if (this.#reading === 'open' && isWaiting) {
      this.#reading = 'paused';
      this.#stream.pause();
    } else if (this.#reading === 'paused' && !isWaiting) {
      this.#reading = 'open';
      this.#stream.resume();
    } else if (this.#reading === 'ended' && !isWaiting && this.#waiting === 0) this.#end();
  }

  async #serve(message: Buffer): Promise<void> {
    const response = await this.#options.answer(message);
    this.#waiting--;
    if (this.#writing !== 'open') return;
    this.#idle.refresh();
    if (response !== undefined && !this.#stream.write(frameMessage(response))) this.#room = 'none';
    this.#pump();
  }

  #end(): void {
    if (this.#writing !== 'open') return;
    this.#writing = 'ended';
    this.#stream.end();
  }
}
