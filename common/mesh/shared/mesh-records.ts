// Reads records of the shared mesh by slot or by hash, in any thread. Everything is read inside `read`, which starts again
// when the writer has changed something meanwhile; what is decoded is kept for a while, and only if it was read whole.
import type { AuthorizationPolicy } from '../authorization-policy.ts';
import type { Service } from '../service.ts';
import type { Workload } from '../workload.ts';
import { bucketOf, entryField, entryWords } from './key-index.ts';
import { headerWord, type MeshMemory, type MeshRegions, openMeshMemory, refreshRegions } from './mesh-memory.ts';
import { readPolicy } from './policy-codec.ts';
import { RecordCache } from './record-cache.ts';
import { recordHead } from './record-heap.ts';
import { RecordReader, torn } from './record-reader.ts';
import { SequenceLock } from './sequence-lock.ts';
import { readService } from './service-codec.ts';
import { kindBits, type RecordKind, recordKind, slotField, slotWords } from './slot-table.ts';
import { readWorkload } from './workload-codec.ts';

/** Values of one generation of each cache: some 8 MB in all when they are full. */
const cachedWorkloads = 2_048;
const cachedServices = 1_024;
const cachedPolicies = 1_024;
const cachedTexts = 8_192;
/** Between two looks whether a long chain is still whole. */
const stepsBetweenChecks = 1_024;
const firstNotAscii = 128;
const none: readonly never[] = [];

export class MeshRecords {
  readonly regions: MeshRegions;
  readonly lock: SequenceLock;
  readonly #reader = new RecordReader();
  readonly #workloads = new RecordCache<Workload>(cachedWorkloads);
  readonly #services = new RecordCache<Service>(cachedServices);
  readonly #policies = new RecordCache<AuthorizationPolicy>(cachedPolicies);
  readonly #texts = new RecordCache<string>(cachedTexts);
  /** Of the reading that goes on. */
  #sequence = 0;
  #growths = 0;
  readonly #textOf = (slot: number): string => this.text(slot);

  constructor(memory: MeshMemory) {
    this.regions = openMeshMemory(memory);
    this.lock = new SequenceLock(this.regions.header);
  }

  /** Everything that `attempt` reads is of one moment. */
  read<T>(attempt: () => T): T {
    return this.lock.read((sequence) => {
      this.#sequence = sequence;
      const growths = this.regions.header[headerWord.growths] ?? 0;
      if (growths !== this.#growths) refreshRegions(this.regions);
      this.#growths = growths;
      return attempt();
    });
  }

  /** Another number after every change, however small, and while one goes on. */
  get moment(): number {
    return this.lock.moment;
  }

  /** Whether all that the reading that goes on has seen is of one moment; only then it may be kept. */
  isWhole(): boolean {
    return this.lock.holds(this.#sequence);
  }

  /** A word of the header, as an unsigned number. */
  header(word: number): number {
    return (this.regions.header[word] ?? 0) >>> 0;
  }

  slot(slot: number, field: number): number {
    return this.regions.slots.words[slot * slotWords + field] ?? 0;
  }

  version(slot: number): number {
    return this.slot(slot, slotField.version);
  }

  kindOf(slot: number): number {
    return this.slot(slot, slotField.kindAndUses) & ((1 << kindBits) - 1);
  }

  /** Slots of this kind that may have the key, in the order in which they were sent. */
  slotsFor(hash: number, kind: RecordKind): readonly number[] {
    const { entries, buckets } = this.regions;
    let found: number[] | undefined;
    let entry = buckets.words[bucketOf(hash, this.header(headerWord.bucketCount))] ?? 0;
    for (let steps = 1; entry !== 0; steps++) {
      const at = entry * entryWords;
      const slot = entries.words[at + entryField.slot] ?? 0;
      if (entries.words[at + entryField.hash] === hash && this.kindOf(slot) === kind) {
        // Mostly there is one, for which `push` would make room for many.
        if (found === undefined) found = [slot];
        else found.push(slot);
      }
      entry = entries.words[at + entryField.next] ?? 0;
      // A chain that is being changed may lead anywhere.
      if (steps % stepsBetweenChecks === 0 && !this.isWhole()) throw torn();
    }
    if (found === undefined) return none;
    return found.length < 2 ? found : found.sort((a, b) => this.version(a) - this.version(b));
  }

  /** All slots of a kind, as they are now. */
  slotsOf(kind: RecordKind): readonly number[] {
    const found: number[] = [];
    const last = this.header(headerWord.lastSlot);
    for (let slot = 1; slot <= last; slot++) if (this.kindOf(slot) === kind) found.push(slot);
    return found;
  }

  workload(slot: number): Workload {
    return this.#decoded(slot, this.#workloads, readWorkload);
  }

  service(slot: number): Service {
    return this.#decoded(slot, this.#services, readService);
  }

  policy(slot: number): AuthorizationPolicy {
    return this.#decoded(slot, this.#policies, readPolicy);
  }

  text(slot: number): string {
    const version = this.version(slot);
    const known = this.#texts.get(slot, version);
    if (known !== undefined) return known;
    const { start, end } = this.#contentOf(slot, recordKind.text);
    const text = this.regions.records.bytes.toString('utf8', start, end);
    if (!this.isWhole()) throw torn();
    this.#texts.set(slot, version, text);
    return text;
  }

  /** Compares without making a text of the record: whoever writes looks for every text it has. */
  isText(slot: number, text: string): boolean {
    const { start, end } = this.#contentOf(slot, recordKind.text);
    const { bytes } = this.regions.records;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code >= firstNotAscii) return bytes.toString('utf8', start, end) === text;
      if (bytes[start + index] !== code) return false;
    }
    return end - start === text.length;
  }

  /** Of a record that names shared texts: their slots. */
  textsOf(slot: number): readonly number[] {
    this.#open(slot);
    return this.#reader.sharedSlots();
  }

  #decoded<T>(slot: number, cache: RecordCache<T>, decode: (reader: RecordReader) => T): T {
    const version = this.version(slot);
    const known = cache.get(slot, version);
    if (known !== undefined) return known;
    this.#open(slot);
    const value = decode(this.#reader);
    if (!this.isWhole()) throw torn();
    cache.set(slot, version, value);
    return value;
  }

  #open(slot: number): void {
    const { start, end } = this.#contentOf(slot, this.kindOf(slot));
    this.#reader.open(this.regions.records.bytes, start, end, this.#textOf);
  }

  #contentOf(slot: number, kind: number): { readonly start: number; readonly end: number } {
    const { bytes, words } = this.regions.records;
    const at = this.slot(slot, slotField.place) * 2;
    const start = (at + recordHead.words) * 4;
    const end = start + (words[at + recordHead.length] ?? 0);
    const isThere = at !== 0 && words[at + recordHead.slot] === slot && this.kindOf(slot) === kind;
    if (!isThere || end > bytes.length) throw torn();
    return { start, end };
  }
}
