// Adds, replaces and removes records: the heap, the slots and the key index change together, so that no reader sees one
// without the others. Memory is reserved before each change. The writer's side only.
import { KeyIndex } from './key-index.ts';
import { headerWord, type MeshRegions } from './mesh-memory.ts';
import type { MeshRecords } from './mesh-records.ts';
import { RecordHeap } from './record-heap.ts';
import type { SequenceLock } from './sequence-lock.ts';
import type { SharedRegion } from './shared-region.ts';
import { type RecordKind, SlotTable, slotField } from './slot-table.ts';

/** What else changes in the same moment; gets the new version. */
export type AlongWith = (version: number) => void;

export class RecordStore {
  readonly #regions: MeshRegions;
  readonly #lock: SequenceLock;
  readonly #slots: SlotTable;
  readonly #heap: RecordHeap;
  readonly #index: KeyIndex;

  constructor({ regions, lock }: MeshRecords) {
    this.#regions = regions;
    this.#lock = lock;
    this.#slots = new SlotTable(regions, (words) => this.#reserve(regions.slots, words));
    this.#heap = new RecordHeap(regions, this.#slots, lock);
    this.#index = new KeyIndex(regions, this.#slots);
  }

  get usedBytes(): number {
    return this.#heap.usedBytes;
  }

  add(kind: RecordKind, content: Buffer, hashes: readonly number[], alongWith?: AlongWith): number {
    const slot = this.#slots.take();
    this.#put(slot, kind, content, hashes, alongWith);
    return slot;
  }

  replace(slot: number, kind: RecordKind, content: Buffer, hashes: readonly number[], alongWith?: AlongWith): void {
    this.#put(slot, kind, content, hashes, alongWith);
  }

  holds(slot: number, content: Buffer): boolean {
    return this.#heap.contentOf(slot).equals(content);
  }

  remove(slot: number, alongWith?: AlongWith): void {
    const { length } = this.#heap.contentOf(slot);
    this.#lock.write(() => {
      this.#index.unlink(slot);
      this.#heap.free(slot);
      this.#slots.giveBack(slot);
      alongWith?.(this.#tick());
    });
    this.#heap.compact(length);
  }

  setWord(slot: number, field: number, value: number): void {
    this.#slots.set(slot, field, value);
  }

  #put(slot: number, kind: RecordKind, content: Buffer, hashes: readonly number[], alongWith?: AlongWith): void {
    const { entries, buckets } = this.#index.wordsFor(hashes.length);
    this.#reserve(this.#regions.records, this.#heap.wordsFor(content.length));
    this.#reserve(this.#regions.entries, entries);
    this.#reserve(this.#regions.buckets, buckets);
    this.#lock.write(() => {
      const version = this.#tick();
      this.#heap.put(slot, content);
      this.#slots.set(slot, slotField.version, version);
      this.#slots.set(slot, slotField.kindAndUses, kind);
      this.#index.unlink(slot);
      for (const hash of hashes) this.#index.link(slot, hash);
      alongWith?.(version);
    });
    this.#heap.compact(content.length);
  }

  /** Never 0, which a slot without a change has. */
  #tick(): number {
    const { header } = this.#regions;
    const next = ((header[headerWord.clock] ?? 0) + 1) >>> 0 || 1;
    header[headerWord.clock] = next;
    return next;
  }

  #reserve(region: SharedRegion, words: number): void {
    if (region.reserve(words) === 'grown') Atomics.add(this.#regions.header, headerWord.growths, 1);
  }
}
