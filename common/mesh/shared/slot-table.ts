// Slots: the number by which a record is known for as long as it lives, wherever it lies. In: numbers. Out: where the
// record is, its version, its kind, the first entry of the key index. One writer; readers use the fields below.
import { MeshError } from '../../errors.ts';
import { headerWord, type MeshRegions } from './mesh-memory.ts';

/** Words of one slot. */
export const slotWords = 5;
export const slotField = {
  /** In units of 8 bytes; 0: the slot is free. */
  place: 0,
  version: 1,
  /** Of a free slot: the next free one. */
  firstEntry: 2,
  /** Kind in the lowest bits, above them how many records use a text. */
  kindAndUses: 3,
  /** Of a service's key: the version of the last change among its members. */
  touched: 4,
} as const;

export const recordKind = { text: 1, workload: 2, service: 3, policy: 4 } as const;
export type RecordKind = (typeof recordKind)[keyof typeof recordKind];
export const kindBits = 3;

const maxSlots = 2 ** 27;

export class SlotTable {
  readonly #regions: MeshRegions;
  readonly #reserve: (words: number) => void;
  #firstFree = 0;

  /** @param reserve makes room in the slots' region */
  constructor(regions: MeshRegions, reserve: (words: number) => void) {
    this.#regions = regions;
    this.#reserve = reserve;
  }

  /** @throws MeshError RESOURCE_INVALID when there are too many. Not yet to be seen by readers: it has no place. */
  take(): number {
    const { header } = this.#regions;
    if (this.#firstFree !== 0) {
      const slot = this.#firstFree;
      this.#firstFree = this.get(slot, slotField.firstEntry);
      this.set(slot, slotField.firstEntry, 0);
      return slot;
    }
    const slot = (header[headerWord.lastSlot] ?? 0) + 1;
    if (slot >= maxSlots) throw new MeshError('RESOURCE_INVALID', `the mesh holds more than ${maxSlots} objects`);
    this.#reserve((slot + 1) * slotWords);
    header[headerWord.lastSlot] = slot;
    return slot;
  }

  /** Inside a change. */
  giveBack(slot: number): void {
    this.set(slot, slotField.place, 0);
    this.set(slot, slotField.version, 0);
    this.set(slot, slotField.firstEntry, this.#firstFree);
    this.set(slot, slotField.kindAndUses, 0);
    this.set(slot, slotField.touched, 0);
    this.#firstFree = slot;
  }

  get(slot: number, field: number): number {
    return this.#regions.slots.words[slot * slotWords + field] ?? 0;
  }

  set(slot: number, field: number, value: number): void {
    this.#regions.slots.words[slot * slotWords + field] = value;
  }
}
