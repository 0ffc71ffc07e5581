// Changes that wait while others are being applied, each object with its last one only, so that they stay bounded by what there is.
import { objectKey } from '../kubernetes-object.ts';
import type { ObjectChange } from './resource-store.ts';

export interface PendingBatch {
  readonly changes: readonly ObjectChange[];
  /** When the first of them came. */
  readonly sinceMs: number;
}

export class PendingChanges {
  #byKey = new Map<string, ObjectChange>();
  #sinceMs = 0;

  put(changes: readonly ObjectChange[], atMs: number): void {
    if (this.#byKey.size === 0) this.#sinceMs = atMs;
    for (const change of changes) {
      const key = change.kind === 'gone' ? change.key : objectKey(change.object);
      // The order is that of the last changes.
      this.#byKey.delete(key);
      this.#byKey.set(key, change);
    }
  }

  /** Undefined when none waits. */
  take(): PendingBatch | undefined {
    if (this.#byKey.size === 0) return undefined;
    const batch = { changes: [...this.#byKey.values()], sinceMs: this.#sinceMs };
    this.#byKey = new Map();
    return batch;
  }
}
