// A ByteSink for tests: keeps what it was given, in order, and lets a test wait for an event.
import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import type { ByteSink, ByteStream } from '../../common/net/byte-stream.ts';

export class RecordingSink implements ByteSink {
  readonly chunks: Buffer[] = [];
  readonly events: string[] = [];
  readonly hash = createHash('sha256');
  bytes = 0;
  closeError: Error | undefined;
  private readonly changes = new EventEmitter();

  onData(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.hash.update(chunk);
    this.bytes += chunk.length;
    this.note('data');
  }
  onEnd(): void {
    this.note('end');
  }
  onWritable(): void {
    this.note('writable');
  }
  onClose(error: Error | undefined): void {
    this.closeError = error;
    this.note('close');
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await once(this.changes, 'change');
  }
  closed(): Promise<void> {
    return this.until(() => this.events.includes('close'));
  }
  ended(): Promise<void> {
    return this.until(() => this.events.includes('end') || this.events.includes('close'));
  }

  private note(event: string): void {
    if (event !== 'data' || this.events.at(-1) !== 'data') this.events.push(event);
    this.changes.emit('change');
  }
}

/** Opens the stream with a recording sink. */
export function record(stream: ByteStream): RecordingSink {
  const sink = new RecordingSink();
  stream.open(sink);
  return sink;
}

/** Writes all of it, waiting for `onWritable` when the stream asks for it. */
export async function writeAll(
  stream: ByteStream,
  sink: RecordingSink,
  payload: Buffer,
  chunkBytes = 65_536,
): Promise<void> {
  for (let offset = 0; offset < payload.length; offset += chunkBytes) {
    const before = sink.events.filter((event) => event === 'writable').length;
    if (stream.write(payload.subarray(offset, offset + chunkBytes))) continue;
    await sink.until(
      () => sink.events.filter((event) => event === 'writable').length > before || sink.events.includes('close'),
    );
  }
}
