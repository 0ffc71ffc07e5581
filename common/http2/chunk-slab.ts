// Copies of small chunks side by side, so that many that wait cost about their bytes. In: chunks, one by one. Out: buffers that
// hold them in order; the last one grows as long as its owner has it last and its memory has room.
import { release } from '../net/read-buffers.ts';

const slabBytes = 16 * 1024;
/** Of chunks that would fill the smaller one in a moment. */
const largeSlabBytes = 64 * 1024;

const none = Buffer.alloc(0);

export class ChunkSlab {
  private slab: Buffer = none;
  private used = 0;
  /** What the last `append` made. */
  last: Buffer = none;

  /** Of what was handed out nothing changes. */
  free(): void {
    this.slab = none;
    this.used = 0;
    this.last = none;
  }

  /**
   * Copies the chunk and gives it back.
   * @param before what the owner holds last: 'grown' says that `last` now holds it and the chunk; 'new', the chunk alone
   */
  append(chunk: Buffer, before: Buffer | undefined): 'grown' | 'new' {
    let grown = before === this.last && before.length > 0;
    if (this.slab.length - this.used < chunk.length) {
      grown = false;
      this.used = 0;
      this.slab = Buffer.allocUnsafeSlow(chunk.length * 4 > slabBytes ? largeSlabBytes : slabBytes);
    }
    const from = grown ? this.used - this.last.length : this.used;
    chunk.copy(this.slab, this.used);
    this.used += chunk.length;
    this.last = this.slab.subarray(from, this.used);
    release(chunk);
    return grown ? 'grown' : 'new';
  }
}
