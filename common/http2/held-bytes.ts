// Bytes that came for a stream whose reader has paused. In: chunks of any size. Out: the same bytes in order.
// Small chunks are copied together, so that what is held costs about what the window says and pins no larger buffer.
import { release } from '../net/read-buffers.ts';

const smallBytes = 4 * 1024;
const slabBytes = 16 * 1024;

export class HeldBytes {
  private chunks: Buffer[] = [];
  private slab = Buffer.alloc(0);
  private slabUsed = 0;
  /** Where the last entry begins in the slab, while it still grows. */
  private growingFrom: number | undefined;

  get isEmpty(): boolean {
    return this.chunks.length === 0;
  }

  push(chunk: Buffer): void {
    if (chunk.length >= smallBytes) {
      this.growingFrom = undefined;
      this.chunks.push(chunk);
      return;
    }
    if (this.slab.length - this.slabUsed < chunk.length) {
      this.slab = Buffer.allocUnsafeSlow(slabBytes);
      this.slabUsed = 0;
      this.growingFrom = undefined;
    }
    const start = this.growingFrom ?? this.slabUsed;
    if (this.growingFrom !== undefined) this.chunks.pop();
    chunk.copy(this.slab, this.slabUsed);
    release(chunk);
    this.slabUsed += chunk.length;
    this.growingFrom = start;
    this.chunks.push(this.slab.subarray(start, this.slabUsed));
  }

  shift(): Buffer | undefined {
    const chunk = this.chunks.shift();
    if (this.chunks.length === 0) this.growingFrom = undefined;
    return chunk;
  }

  clear(): void {
    this.chunks = [];
    this.growingFrom = undefined;
  }
}
