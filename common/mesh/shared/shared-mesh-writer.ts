// The one writer of a mesh that several threads read. Each object changes in one moment; those of a batch follow each other
// so that what is not there yet fails closed and what replaces something is there before it, and listeners hear of the
// batch once. An object that is sent again with the same value is no change. Rules: ztunnel.md §4.1.
import { policyKey } from '../authorization-policy.ts';
import type { MeshSnapshot, MeshUpdate, MeshWriter } from '../mesh-source.ts';
import type { MeshChange } from '../mesh-view.ts';
import { serviceKey } from '../service.ts';
import { MeshKeys } from './mesh-keys.ts';
import { headerWord } from './mesh-memory.ts';
import type { MeshRecords } from './mesh-records.ts';
import { describeKinds, type ObjectKind, type ObjectKinds } from './object-kinds.ts';
import { RecordStore } from './record-store.ts';
import { RecordWriter } from './record-writer.ts';
import { SharedTexts } from './shared-texts.ts';

export class SharedMeshWriter implements MeshWriter {
  readonly #records: MeshRecords;
  readonly #store: RecordStore;
  readonly #texts: SharedTexts;
  readonly #writer: RecordWriter;
  readonly #kinds: ObjectKinds;
  readonly #onChange: (change: MeshChange) => void;

  /** @param onChange once for each batch that changes something, after it */
  constructor(records: MeshRecords, onChange: (change: MeshChange) => void) {
    const keys = new MeshKeys(records.header(headerWord.hashSeed));
    this.#records = records;
    this.#store = new RecordStore(records);
    this.#texts = new SharedTexts(records, this.#store, keys);
    this.#writer = new RecordWriter((text) => this.#texts.take(text));
    this.#kinds = describeKinds(records, this.#store, this.#texts, keys);
    this.#onChange = onChange;
  }

  apply(update: MeshUpdate): void {
    const { workload, service, policy } = this.#kinds;
    const [policyRemovals, serviceRemovals, workloadRemovals] = [
      new Set<string>(update.removedPolicies),
      new Set<string>(update.removedServices),
      new Set<string>(update.removedWorkloads),
    ];
    const put = [
      this.#putAll(policy, update.policies, policyRemovals),
      this.#putAll(service, update.services, serviceRemovals),
      this.#putAll(workload, update.workloads, workloadRemovals),
    ];
    const removed = {
      workloads: this.#removeAll(workload, workloadRemovals),
      services: this.#removeAll(service, serviceRemovals),
      policies: this.#removeAll(policy, policyRemovals),
    };
    const change: MeshChange = {
      policiesChanged: put[0] === true || removed.policies,
      servicesChanged: put[1] === true || removed.services,
      workloadsChanged: put[2] === true || removed.workloads,
    };
    if (!change.policiesChanged && !change.servicesChanged && !change.workloadsChanged) return;
    Atomics.add(this.#records.regions.header, headerWord.revision, 1);
    this.#onChange(change);
  }

  replace({ workloads, services, policies }: MeshSnapshot): void {
    const { workload, service, policy } = this.#kinds;
    const [lastWorkloads, lastServices, lastPolicies] = [
      new Map(workloads.map((each) => [each.uid, each])),
      new Map(services.map((each) => [serviceKey(each), each])),
      new Map(policies.map((each) => [policyKey(each), each])),
    ];
    this.apply({
      workloads: [...lastWorkloads.values()],
      services: [...lastServices.values()],
      policies: [...lastPolicies.values()],
      removedWorkloads: this.#present(workload, ({ uid }) => uid).filter((uid) => !lastWorkloads.has(uid)),
      removedServices: this.#present(service, serviceKey).filter((key) => !lastServices.has(key)),
      removedPolicies: this.#present(policy, policyKey).filter((key) => !lastPolicies.has(key)),
    });
  }

  /** @param removals loses what is put: a key that is in both stays, as a new object. @returns whether anything differs */
  #putAll<T>(kind: ObjectKind<T>, values: readonly T[], removals: Set<string>): boolean {
    let changed = false;
    for (const value of values) {
      const isRenewed = removals.delete(kind.keyOf(value));
      if (this.#put(kind, value, isRenewed)) changed = true;
    }
    return changed;
  }

  #put<T>(kind: ObjectKind<T>, value: T, isRenewed: boolean): boolean {
    const { content, texts } = this.#encode(kind, value);
    const key = kind.keyOf(value);
    if (!isRenewed && this.#isHeld(kind, key, content)) {
      this.#texts.release(texts);
      return false;
    }
    const slot = this.#find(kind, key);
    if (slot === undefined) {
      this.#store.add(kind.kind, content, kind.hashesOf(value), kind.alongWith(undefined, value));
      return true;
    }
    const before = this.#records.read(() => ({ value: kind.read(slot), texts: this.#records.textsOf(slot) }));
    this.#store.replace(slot, kind.kind, content, kind.hashesOf(value), kind.alongWith(before.value, value));
    this.#texts.release(before.texts);
    return true;
  }

  #encode<T>(kind: ObjectKind<T>, value: T): { readonly content: Buffer; readonly texts: readonly number[] } {
    this.#writer.begin();
    try {
      kind.write(this.#writer, value);
      return { content: this.#writer.finish(), texts: this.#writer.texts };
    } catch (error) {
      this.#texts.release(this.#writer.texts);
      throw error;
    }
  }

  #removeAll<T>(kind: ObjectKind<T>, keys: Iterable<string>): boolean {
    let changed = false;
    for (const key of keys) {
      const slot = this.#find(kind, key);
      if (slot === undefined) continue;
      const before = this.#records.read(() => ({ value: kind.read(slot), texts: this.#records.textsOf(slot) }));
      this.#store.remove(slot, kind.alongWith(before.value, undefined));
      this.#texts.release(before.texts);
      changed = true;
    }
    return changed;
  }

  /** Equal bytes are equal objects, keys included: a mesh that is sent once more is compared without being read. */
  #isHeld<T>({ kind, hashOf }: ObjectKind<T>, key: string, content: Buffer): boolean {
    const hash = hashOf(key);
    const records = this.#records;
    return records.read(() => records.slotsFor(hash, kind).some((slot) => this.#store.holds(slot, content)));
  }

  #find<T>(kind: ObjectKind<T>, key: string): number | undefined {
    const hash = kind.hashOf(key);
    const records = this.#records;
    return records.read(() => records.slotsFor(hash, kind.kind).find((slot) => kind.keyOf(kind.read(slot)) === key));
  }

  #present<T, K>(kind: ObjectKind<T>, keyOf: (value: T) => K): readonly K[] {
    return this.#records.slotsOf(kind.kind).map((slot) => keyOf(this.#records.read(() => kind.read(slot))));
  }
}
