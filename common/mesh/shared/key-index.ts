// Finds slots by the hash of a key; several slots may have one key. Linear hashing: the table grows by one bucket at a
// time (Litwin 1980), so that no change is ever long. Entries of one bucket are a chain; those of one slot are another.
import { headerWord, type MeshRegions } from './mesh-memory.ts';
import { type SlotTable, slotField } from './slot-table.ts';

/** Words of one entry. Entry 0 means none. */
export const entryWords = 5;
export const entryField = { hash: 0, slot: 1, next: 2, previous: 3, sibling: 4 } as const;

export function bucketOf(hash: number, bucketCount: number): number {
  const mask = 0xffff_ffff >>> Math.clz32(bucketCount - 1);
  const bucket = hash & mask;
  return bucket >= bucketCount ? bucket & (mask >>> 1) : bucket;
}

export class KeyIndex {
  readonly #regions: MeshRegions;
  readonly #slots: SlotTable;
  #count = 0;
  #lastEntry = 0;
  #firstFree = 0;

  constructor(regions: MeshRegions, slots: SlotTable) {
    this.#regions = regions;
    this.#slots = slots;
  }

  /** Words of the two regions that so many further entries may need. */
  wordsFor(further: number): { readonly entries: number; readonly buckets: number } {
    const buckets = this.#bucketCount + further;
    return { entries: (this.#lastEntry + further + 1) * entryWords, buckets };
  }

  /** Inside a change. */
  link(slot: number, hash: number): void {
    const entry = this.#take();
    this.#set(entry, entryField.hash, hash);
    this.#set(entry, entryField.slot, slot);
    this.#set(entry, entryField.sibling, this.#slots.get(slot, slotField.firstEntry));
    this.#slots.set(slot, slotField.firstEntry, entry);
    this.#push(bucketOf(hash, this.#bucketCount), entry);
    this.#count += 1;
    if (this.#count > this.#bucketCount) this.#split();
  }

  /** All entries of the slot, inside a change. */
  unlink(slot: number): void {
    let entry = this.#slots.get(slot, slotField.firstEntry);
    this.#slots.set(slot, slotField.firstEntry, 0);
    while (entry !== 0) {
      const sibling = this.#get(entry, entryField.sibling);
      this.#detach(entry);
      this.#set(entry, entryField.next, this.#firstFree);
      this.#firstFree = entry;
      this.#count -= 1;
      entry = sibling;
    }
  }

  get #bucketCount(): number {
    return this.#regions.header[headerWord.bucketCount] ?? 0;
  }

  #take(): number {
    const free = this.#firstFree;
    if (free === 0) return ++this.#lastEntry;
    this.#firstFree = this.#get(free, entryField.next);
    return free;
  }

  #push(bucket: number, entry: number): void {
    const { words } = this.#regions.buckets;
    const head = words[bucket] ?? 0;
    this.#set(entry, entryField.next, head);
    this.#set(entry, entryField.previous, 0);
    if (head !== 0) this.#set(head, entryField.previous, entry);
    words[bucket] = entry;
  }

  #detach(entry: number): void {
    const next = this.#get(entry, entryField.next);
    const previous = this.#get(entry, entryField.previous);
    if (next !== 0) this.#set(next, entryField.previous, previous);
    if (previous !== 0) this.#set(previous, entryField.next, next);
    else {
      const bucket = bucketOf(this.#get(entry, entryField.hash), this.#bucketCount);
      this.#regions.buckets.words[bucket] = next;
    }
  }

  /** One bucket more: it gets its part of the bucket that held its entries so far. */
  #split(): void {
    const { header, buckets } = this.#regions;
    const added = this.#bucketCount;
    const parted = added - (1 << (31 - Math.clz32(added)));
    let entry = buckets.words[parted] ?? 0;
    buckets.words[parted] = 0;
    buckets.words[added] = 0;
    header[headerWord.bucketCount] = added + 1;
    while (entry !== 0) {
      const next = this.#get(entry, entryField.next);
      this.#push(bucketOf(this.#get(entry, entryField.hash), added + 1), entry);
      entry = next;
    }
  }

  #get(entry: number, field: number): number {
    return this.#regions.entries.words[entry * entryWords + field] ?? 0;
  }

  #set(entry: number, field: number, value: number): void {
    this.#regions.entries.words[entry * entryWords + field] = value;
  }
}
