// Where records lie: one after the other, new ones at the end. What is freed leaves holes; when they are a quarter, the
// records are moved together, a few with each change, so that no change is ever long. The writer's side only.
import type { MeshRegions } from './mesh-memory.ts';
import type { SequenceLock } from './sequence-lock.ts';
import { type SlotTable, slotField } from './slot-table.ts';

/** A record begins with its slot (0: a hole) and the length of its content in bytes. */
export const recordHead = { slot: 0, length: 1, words: 2 } as const;

/** Words moved for each word that is written or freed: the moving is done before much more is written. */
const movedPerWord = 8;
const leastHoleWords = 16 * 1024;
const firstWord = 2;

interface Compaction {
  from: number;
  to: number;
}

export class RecordHeap {
  readonly #regions: MeshRegions;
  readonly #slots: SlotTable;
  readonly #lock: SequenceLock;
  #end = firstWord;
  #holeWords = 0;
  #compaction: Compaction | undefined;

  constructor(regions: MeshRegions, slots: SlotTable, lock: SequenceLock) {
    this.#regions = regions;
    this.#slots = slots;
    this.#lock = lock;
  }

  /** Words that the region must have for a further record. */
  wordsFor(contentBytes: number): number {
    return this.#end + sizeOf(contentBytes);
  }

  /** Bytes in use, holes among them. */
  get usedBytes(): number {
    return this.#end * 4;
  }

  contentOf(slot: number): Buffer {
    const at = this.#slots.get(slot, slotField.place) * 8;
    const { bytes, words } = this.#regions.records;
    const length = words[(at >> 2) + recordHead.length] ?? 0;
    return bytes.subarray(at + recordHead.words * 4, at + recordHead.words * 4 + length);
  }

  /** Inside a change; in the place of the former record where the new one has its size. */
  put(slot: number, content: Buffer): void {
    const { bytes, words } = this.#regions.records;
    const former = this.#slots.get(slot, slotField.place) * 2;
    const size = sizeOf(content.length);
    let at = former;
    if (former === 0 || sizeOf(words[former + recordHead.length] ?? 0) !== size) {
      if (former !== 0) this.#free(former);
      at = this.#end;
      this.#end += size;
      this.#slots.set(slot, slotField.place, at >> 1);
    }
    words[at + recordHead.slot] = slot;
    words[at + recordHead.length] = content.length;
    bytes.set(content, (at + recordHead.words) * 4);
  }

  /** Inside a change. */
  free(slot: number): void {
    this.#free(this.#slots.get(slot, slotField.place) * 2);
  }

  /** After a change of so many bytes. */
  compact(changedBytes: number): void {
    const isDue = this.#holeWords > leastHoleWords && this.#holeWords * 4 > this.#end;
    if (isDue) this.#compaction ??= { from: firstWord, to: firstWord };
    let left = sizeOf(changedBytes) * movedPerWord;
    while (this.#compaction !== undefined && left > 0) left -= this.#moveNext(this.#compaction);
  }

  #free(at: number): void {
    const { words } = this.#regions.records;
    words[at + recordHead.slot] = 0;
    this.#holeWords += sizeOf(words[at + recordHead.length] ?? 0);
  }

  /** @returns the words that were passed */
  #moveNext(compaction: Compaction): number {
    const { from, to } = compaction;
    if (from >= this.#end) {
      this.#end = to;
      this.#compaction = undefined;
      return 0;
    }
    const { words } = this.#regions.records;
    const slot = words[from + recordHead.slot] ?? 0;
    const size = sizeOf(words[from + recordHead.length] ?? 0);
    compaction.from += size;
    if (slot === 0) {
      this.#holeWords -= size;
      return size;
    }
    compaction.to += size;
    if (from !== to) {
      this.#lock.write(() => {
        words.copyWithin(to, from, from + size);
        this.#slots.set(slot, slotField.place, to >> 1);
      });
    }
    return size;
  }
}

/** In words: with its head, and so that the next one begins at 8 bytes. */
function sizeOf(contentBytes: number): number {
  return recordHead.words + ((contentBytes + 7) >> 3) * 2;
}
