// Texts that many objects have: each is one record, counted by how many records name it, and gone with the last of them.
// The writer's side only.
import { MeshError } from '../../errors.ts';
import type { MeshKeys } from './mesh-keys.ts';
import type { MeshRecords } from './mesh-records.ts';
import type { RecordStore } from './record-store.ts';
import { kindBits, recordKind, slotField } from './slot-table.ts';

const maxUses = 2 ** (32 - kindBits) - 1;
const maxRemembered = 16_384;

export class SharedTexts {
  readonly #records: MeshRecords;
  readonly #store: RecordStore;
  readonly #keys: MeshKeys;
  /** Those of late; all others are found as readers find them. */
  #remembered = new Map<string, number>();

  constructor(records: MeshRecords, store: RecordStore, keys: MeshKeys) {
    this.#records = records;
    this.#store = store;
    this.#keys = keys;
  }

  /** One use more. */
  take(text: string): number {
    const known = this.find(text);
    const slot = known ?? this.#store.add(recordKind.text, Buffer.from(text), [this.#keys.text(text)]);
    if (this.#remembered.size >= maxRemembered) this.#remembered = new Map();
    this.#remembered.set(text, slot);
    this.#addUses(slot, 1);
    return slot;
  }

  find(text: string): number | undefined {
    const slot = this.#remembered.get(text);
    if (slot !== undefined) return slot;
    const records = this.#records;
    const hash = this.#keys.text(text);
    return records.read(() => records.slotsFor(hash, recordKind.text).find((each) => records.text(each) === text));
  }

  release(slots: readonly number[]): void {
    for (const slot of slots) {
      if (this.#addUses(slot, -1) > 0) continue;
      this.#remembered.delete(this.#records.read(() => this.#records.text(slot)));
      this.#store.remove(slot);
    }
  }

  #addUses(slot: number, change: number): number {
    const uses = (this.#records.slot(slot, slotField.kindAndUses) >>> kindBits) + change;
    if (uses > maxUses) throw new MeshError('RESOURCE_INVALID', `a name is used by more than ${maxUses} objects`);
    this.#store.setWord(slot, slotField.kindAndUses, ((uses << kindBits) | recordKind.text) >>> 0);
    return uses;
  }
}
