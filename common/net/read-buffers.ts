// Memory that sockets are read into, used again as soon as its last bytes have been written elsewhere.
// In: bytes read. Out: chunks that are lent: whoever is done with one gives it back by `release`; one that is not given back
// is simply collected with its block. Only the very chunk that was lent counts, never a part of it. Hot path: test/bench/tunnel.ts.

const blockKey = Symbol('block');
const headedKey = Symbol('block with headroom');

interface Block {
  readonly bytes: Buffer;
  readonly pool: BlockPool;
  /** Chunks that were lent and not yet given back. */
  lent: number;
  reader: 'reading' | 'gone';
}

type LentChunk = Buffer & { [blockKey]?: Block | undefined; [headedKey]?: Block };

/** Room in front of each lent chunk, so that a frame header can be laid before it without a copy. */
export const headroomBytes = 16;

class BlockPool {
  readonly blockBytes: number;
  private readonly maxFree: number;
  private readonly free: Block[] = [];

  constructor(blockBytes: number, maxFree: number) {
    this.blockBytes = blockBytes;
    this.maxFree = maxFree;
  }

  take(): Block {
    const block = this.free.pop();
    if (block === undefined) {
      return { bytes: Buffer.allocUnsafeSlow(this.blockBytes), pool: this, lent: 0, reader: 'reading' };
    }
    block.reader = 'reading';
    return block;
  }

  giveBack(block: Block): void {
    if (this.free.length < this.maxFree) this.free.push(block);
  }
}

const pool = new BlockPool(256 * 1024, 16);

/** A block that one reader fills from front to back, and changes for another when little is left. */
export class ReadBlock {
  private block = pool.take();
  /** Where the next chunk begins. */
  private at = 0;

  /** Where to read into now: at least `leastBytes`, with headroom in front. */
  space(leastBytes: number): Buffer {
    this.at += headroomBytes;
    if (this.at + leastBytes > this.block.bytes.length) {
      if (this.block.lent > 0) {
        this.close();
        this.block = pool.take();
      }
      this.at = headroomBytes;
    }
    return this.block.bytes.subarray(this.at);
  }

  /** The first `bytes` of the last `space`; the next ones if it is asked again before another `space`. */
  lend(bytes: number): Buffer {
    const { block } = this;
    const chunk: LentChunk = block.bytes.subarray(this.at, this.at + bytes);
    chunk[blockKey] = block;
    chunk[headedKey] = block;
    block.lent += 1;
    this.at += bytes;
    return chunk;
  }

  /** Where all has been given back, the next `space` may begin at the front again, which the processor's caches like. */
  rewind(): void {
    if (this.block.lent === 0) this.at = 0;
  }

  /** The reader ends: its block is used again once all chunks are back. */
  close(): void {
    const { block } = this;
    if (block.reader === 'gone') return;
    block.reader = 'gone';
    if (block.lent === 0) pool.giveBack(block);
  }
}

/** A part of a chunk, lent by itself where the chunk is: the chunk may be given back before it. */
export function lendPart(chunk: LentChunk, from: number, to: number): Buffer {
  const part: LentChunk = chunk.subarray(from, to);
  const block = chunk[blockKey];
  if (block === undefined) return part;
  block.lent += 1;
  part[blockKey] = block;
  return part;
}

/** Says that nobody will read these bytes again. Chunks from elsewhere are left alone; idempotent. */
export function release(chunk: LentChunk): void {
  const block = chunk[blockKey];
  if (block === undefined) return;
  chunk[blockKey] = undefined;
  block.lent -= 1;
  if (block.lent === 0 && block.reader === 'gone') block.pool.giveBack(block);
}

/** The chunk with `bytes` of its headroom in front, where it has any: only what `ReadBlock.lend` gave. */
export function withHeadroom(chunk: LentChunk, bytes: number): Buffer | undefined {
  const block = chunk[headedKey];
  if (block === undefined || bytes > headroomBytes) return undefined;
  const from = chunk.byteOffset - block.bytes.byteOffset - bytes;
  return block.bytes.subarray(from, from + bytes + chunk.length);
}
