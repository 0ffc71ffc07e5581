// One growable piece of memory that all threads see. Views of fixed length are many times faster than views that follow
// the memory, so that whoever reads asks for new views when the owner has grown it.
import { MeshError } from '../../errors.ts';

/** Address space only: memory is used as it is grown. */
const maxRegionBytes = 4 * 1024 ** 3;
const leastGrowthBytes = 64 * 1024;

export function createRegionMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(leastGrowthBytes, { maxByteLength: maxRegionBytes });
}

export class SharedRegion {
  readonly memory: SharedArrayBuffer;
  words: Uint32Array;
  bytes: Buffer;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.words = wordsOf(memory);
    this.bytes = bytesOf(memory);
  }

  /** After another thread has grown it. */
  refresh(): void {
    if (this.words.byteLength === this.memory.byteLength) return;
    this.words = wordsOf(this.memory);
    this.bytes = bytesOf(this.memory);
  }

  /** An eighth more than needed, so that growing costs little in sum. @throws MeshError RESOURCE_INVALID when there is no memory */
  reserve(words: number): 'grown' | 'enough' {
    const needed = words * 4;
    if (needed <= this.memory.byteLength) return 'enough';
    const wanted = needed + Math.max(leastGrowthBytes, needed >> 3);
    try {
      this.memory.grow(Math.min(maxRegionBytes, Math.ceil(wanted / leastGrowthBytes) * leastGrowthBytes));
    } catch (cause) {
      throw new MeshError('RESOURCE_INVALID', `the mesh needs ${needed} bytes of one kind, which cannot be had`, {
        cause,
      });
    }
    this.refresh();
    return 'grown';
  }
}

function wordsOf(memory: SharedArrayBuffer): Uint32Array {
  return new Uint32Array(memory, 0, memory.byteLength >> 2);
}

function bytesOf(memory: SharedArrayBuffer): Buffer {
  return Buffer.from(memory, 0, memory.byteLength);
}
