// Texts that many objects have: each is one record, counted by how many records name it, and gone with the last of them.
// The writer's side only.
import { MeshError } from '../../errors.ts';
import type { MeshKeys } from './mesh-keys.ts';
import type { MeshRecords } from './mesh-records.ts';
import type { RecordStore } from './record-store.ts';
import { kindBits, recordKind, slotField } from './slot-table.ts';

const maxUses = 2 ** (32 - kindBits) - 1;

export class SharedTexts {
  readonly #records: MeshRecords;
  readonly #store: RecordStore;
  readonly #keys: MeshKeys;

  constructor(records: MeshRecords, store: RecordStore, keys: MeshKeys) {
    this.#records = records;
    this.#store = store;
    this.#keys = keys;
  }

  /** One use more. */
  take(text: string): number {
    const hash = this.#keys.text(text);
    const slot = this.#find(text, hash) ?? this.#store.add(recordKind.text, Buffer.from(text), [hash]);
    this.#addUses(slot, 1);
    return slot;
  }

  find(text: string): number | undefined {
    return this.#find(text, this.#keys.text(text));
  }

  release(slots: readonly number[]): void {
    for (const slot of slots) if (this.#addUses(slot, -1) === 0) this.#store.remove(slot);
  }

  #find(text: string, hash: number): number | undefined {
    const records = this.#records;
    return records.read(() => records.slotsFor(hash, recordKind.text).find((slot) => records.isText(slot, text)));
  }

  #addUses(slot: number, change: number): number {
    const uses = (this.#records.slot(slot, slotField.kindAndUses) >>> kindBits) + change;
    if (uses > maxUses) throw new MeshError('RESOURCE_INVALID', `a name is used by more than ${maxUses} objects`);
    this.#store.setWord(slot, slotField.kindAndUses, ((uses << kindBits) | recordKind.text) >>> 0);
    return uses;
  }
}
