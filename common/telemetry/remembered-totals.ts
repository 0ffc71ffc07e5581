// The totals of series that have left, so that one which comes back goes on where it was: for Prometheus it paused, it did
// not begin anew. In: keys and states. Out: the state, once. Keys are kept as hashes; the oldest are forgotten first.
import type { SeriesState } from './stored-series.ts';

export class RememberedTotals {
  readonly #totals = new Map<number, SeriesState>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#totals.size;
  }

  remember(key: string, state: SeriesState): void {
    this.#totals.set(hashOf(key), state);
    if (this.#totals.size <= this.#limit) return;
    const oldest = this.#totals.keys().next();
    if (oldest.done !== true) this.#totals.delete(oldest.value);
  }

  take(key: string): SeriesState | undefined {
    if (this.#totals.size === 0) return undefined;
    const hash = hashOf(key);
    const state = this.#totals.get(hash);
    this.#totals.delete(hash);
    return state;
  }
}

/** 53 bits: among 20 000 keys, two meet once in twenty million times. */
function hashOf(key: string): number {
  let high = 0x811c9dc5;
  let low = 0x9e3779b9;
  for (let index = 0; index < key.length; index += 1) {
    const unit = key.charCodeAt(index);
    high = Math.imul(high ^ unit, 0x01000193);
    low = Math.imul(low ^ unit, 0x85ebca6b);
    low ^= low >>> 13;
  }
  return (high >>> 0) * 0x20_0000 + (low >>> 11);
}
