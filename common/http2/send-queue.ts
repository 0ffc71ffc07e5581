// Bytes of one stream that wait for window and socket. In: chunks of any size. Out: pieces of at most what is asked for.
// Only small chunks behind others are copied, so that a stream that cannot send pins little more than it holds.
import { ChunkSlab } from './chunk-slab.ts';

/** Smaller chunks that have to wait are laid side by side. */
const smallBytes = 16 * 1024;

export class SendQueue {
  private chunks: Buffer[] = [];
  /** Chunks before this index are gone. */
  private head = 0;
  /** Bytes of the first chunk that are gone. */
  private offset = 0;
  private readonly slab = new ChunkSlab();
  bytes = 0;

  /** Chunks that wait. */
  get count(): number {
    return this.chunks.length - this.head;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.bytes += chunk.length;
    // Mostly there is one, for which `push` would make room for many.
    if (this.chunks.length === 0) this.chunks = [chunk];
    else if (this.count === 0 || chunk.length >= smallBytes) this.chunks.push(chunk);
    else if (this.slab.append(chunk, this.chunks.at(-1)) === 'grown')
      this.chunks[this.chunks.length - 1] = this.slab.last;
    else this.chunks.push(this.slab.last);
  }

  /**
   * Moves up to `limitBytes` into `out`; how many. Chunks of which nothing is left go to `spent`: they may be released
   * once what is in `out` has been written.
   */
  take(limitBytes: number, out: Buffer[], spent: Buffer[]): number {
    let left = Math.min(limitBytes, this.bytes);
    const taken = left;
    while (left > 0) {
      const chunk = this.chunks[this.head];
      if (!chunk) break;
      const end = Math.min(chunk.length, this.offset + left);
      left -= end - this.offset;
      out.push(this.offset === 0 && end === chunk.length ? chunk : chunk.subarray(this.offset, end));
      this.offset = end;
      if (end < chunk.length) break;
      spent.push(chunk);
      this.offset = 0;
      this.head += 1;
    }
    this.bytes -= taken;
    if (this.head === this.chunks.length) this.clear();
    else if (this.head > 64) {
      this.chunks = this.chunks.slice(this.head);
      this.head = 0;
    }
    return taken;
  }

  /** Takes the next chunk, if it is whole and its length within these. */
  takeWhole(mostBytes: number, leastBytes: number): Buffer | undefined {
    const chunk = this.chunks[this.head];
    if (chunk === undefined || this.offset > 0 || chunk.length > mostBytes || chunk.length < leastBytes)
      return undefined;
    this.head += 1;
    this.bytes -= chunk.length;
    if (this.head === this.chunks.length) this.clear();
    return chunk;
  }

  clear(): void {
    this.slab.free();
    this.offset = 0;
    this.chunks = this.bytes === 0 && this.chunks.length === 0 ? this.chunks : [];
    this.head = 0;
    this.bytes = 0;
  }
}
