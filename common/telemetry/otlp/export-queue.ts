// What waits to be exported: bounded in number and bytes, taken out in batches. In: encoded items. Out: batches, the oldest first.
// An item that finds no room is refused, so that whoever made it can count it.

export interface QueueBounds {
  readonly maxItems: number;
  readonly maxBytes: number;
}

export const queueBounds: QueueBounds = { maxItems: 8_192, maxBytes: 8 * 1024 * 1024 };
/** As much as one call carries: collectors take 4 MiB. */
export const batchBounds: QueueBounds = { maxItems: 512, maxBytes: 256 * 1024 };

export class ExportQueue {
  readonly #bounds: QueueBounds;
  #items: Uint8Array[] = [];
  #bytes = 0;

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#items.length;
  }

  add(item: Uint8Array): 'queued' | 'full' {
    const { maxItems, maxBytes } = this.#bounds;
    if (this.#items.length >= maxItems || this.#bytes + item.length > maxBytes) return 'full';
    this.#items.push(item);
    this.#bytes += item.length;
    return 'queued';
  }

  /** Enough for a batch that need not wait for more. */
  hasBatch({ maxItems, maxBytes }: QueueBounds): boolean {
    return this.#items.length >= maxItems || this.#bytes >= maxBytes;
  }

  /** At least one item, where there is any. */
  takeBatch({ maxItems, maxBytes }: QueueBounds): readonly Uint8Array[] {
    let count = 0;
    let bytes = 0;
    while (count < Math.min(maxItems, this.#items.length)) {
      const length = this.#items[count]?.length ?? 0;
      if (count > 0 && bytes + length > maxBytes) break;
      bytes += length;
      count += 1;
    }
    this.#bytes -= bytes;
    return this.#items.splice(0, count);
  }
}
