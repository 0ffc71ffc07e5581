// What the threads that share a mesh pass to each other: a header of counters, and the regions of records, slots, entries
// and buckets. Nothing here is decoded: `shared-mesh-writer.ts` fills it, `shared-mesh-view.ts` reads it.
import { createRegionMemory, SharedRegion } from './shared-region.ts';

/** Can be sent to a worker; it stays shared. */
export interface MeshMemory {
  readonly header: SharedArrayBuffer;
  readonly records: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
  readonly entries: SharedArrayBuffer;
  readonly buckets: SharedArrayBuffer;
}

/** Words of the header. */
export const headerWord = {
  /** Odd while the writer changes something. */
  sequence: 0,
  /** How often a region has grown. */
  growths: 1,
  /** Batches applied. */
  revision: 2,
  /** Given to each record that is written; the order of versions is the order in which objects were sent. */
  clock: 3,
  /** Version of the last change of any policy. */
  policiesTouched: 4,
  bucketCount: 5,
  /** Slots 1 to this one have been used. */
  lastSlot: 6,
  /** Mixed into every hash, so that nobody outside knows which names meet in one bucket. */
  hashSeed: 7,
  /** How many service addresses are ranges of 0, 1, … 128 bits. */
  firstRangeCount: 16,
} as const;

const headerWords = headerWord.firstRangeCount + 129;
const firstBuckets = 1_024;

export interface MeshRegions {
  readonly header: Int32Array;
  readonly records: SharedRegion;
  readonly slots: SharedRegion;
  readonly entries: SharedRegion;
  readonly buckets: SharedRegion;
}

/** @param hashSeed any 32 bits, best unknown to others */
export function createMeshMemory(hashSeed: number): MeshMemory {
  const header = new SharedArrayBuffer(headerWords * 4);
  const words = new Int32Array(header);
  words[headerWord.bucketCount] = firstBuckets;
  words[headerWord.hashSeed] = hashSeed;
  return {
    header,
    records: createRegionMemory(),
    slots: createRegionMemory(),
    entries: createRegionMemory(),
    buckets: createRegionMemory(),
  };
}

export function openMeshMemory(memory: MeshMemory): MeshRegions {
  return {
    header: new Int32Array(memory.header),
    records: new SharedRegion(memory.records),
    slots: new SharedRegion(memory.slots),
    entries: new SharedRegion(memory.entries),
    buckets: new SharedRegion(memory.buckets),
  };
}

export function refreshRegions({ records, slots, entries, buckets }: MeshRegions): void {
  for (const region of [records, slots, entries, buckets]) region.refresh();
}

/** Bytes that are held, without what is only reserved. */
export function meshMemoryBytes({ header, records, slots, entries, buckets }: MeshMemory): number {
  return [header, records, slots, entries, buckets].reduce((sum, { byteLength }) => sum + byteLength, 0);
}
