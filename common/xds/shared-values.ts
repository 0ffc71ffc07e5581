// One value for all messages that hold it in the same bytes: namespaces, service accounts, localities, port lists come in nearly
// every workload. Decoding them once saves half of the mesh's memory, and with it most of the time of the garbage collector.
// In: bytes, and how to read them. Out: a value to share, hence never to change. Bounded: each slot holds the last of its hash.

interface Slot<V> {
  readonly bytes: Uint8Array;
  readonly value: V;
}

const slotCount = 8_192;
/** What is longer is hardly ever sent twice. */
const maxSharedBytes = 256;

export class SharedValues<V> {
  readonly #slots: (Slot<V> | undefined)[] = new Array(slotCount);

  /** @param read is called where the value is not held; it may throw */
  take(buffer: Uint8Array, start: number, end: number, read: () => V): V {
    if (end - start > maxSharedBytes || end > buffer.length) return read();
    const index = hash(buffer, start, end) % slotCount;
    const slot = this.#slots[index];
    if (slot !== undefined && isSame(slot.bytes, buffer, start, end)) return slot.value;
    const value = read();
    this.#slots[index] = { bytes: new Uint8Array(buffer.subarray(start, end)), value };
    return value;
  }
}

/** FNV-1a. */
function hash(buffer: Uint8Array, start: number, end: number): number {
  let value = 0x811c9dc5;
  for (let at = start; at < end; at++) value = Math.imul(value ^ (buffer[at] ?? 0), 0x01000193);
  return value >>> 0;
}

function isSame(bytes: Uint8Array, buffer: Uint8Array, start: number, end: number): boolean {
  if (bytes.length !== end - start) return false;
  for (let at = start; at < end; at++) if (bytes[at - start] !== buffer[at]) return false;
  return true;
}
