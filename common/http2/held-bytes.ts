// Bytes that came for a stream whose reader has paused. In: chunks of any size. Out: the same bytes in order.
// Chunks are copied together unless they are large, so that what is held costs about what the window says: a chunk that is
// kept as it is keeps all that was read with it (256 KiB), whatever became of the rest.
import { ChunkSlab } from './chunk-slab.ts';

const smallBytes = 32 * 1024;

export class HeldBytes {
  private chunks: Buffer[] = [];
  private readonly slab = new ChunkSlab();

  get isEmpty(): boolean {
    return this.chunks.length === 0;
  }

  push(chunk: Buffer): void {
    if (chunk.length >= smallBytes) this.chunks.push(chunk);
    else if (this.slab.append(chunk, this.chunks.at(-1)) === 'grown')
      this.chunks[this.chunks.length - 1] = this.slab.last;
    else this.chunks.push(this.slab.last);
  }

  shift(): Buffer | undefined {
    const chunk = this.chunks.shift();
    if (this.chunks.length === 0) this.slab.free();
    return chunk;
  }

  clear(): void {
    this.chunks = [];
    this.slab.free();
  }
}
