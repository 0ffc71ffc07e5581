// What the writer must know of each kind of object: how it is keyed, found, written, and what else changes in the same
// moment, so that no thread's cache outlives it. In: the parts of the writer. Out: one description a kind.
import { type AuthorizationPolicy, policyKey } from '../authorization-policy.ts';
import { type Service, serviceKey } from '../service.ts';
import type { Workload } from '../workload.ts';
import { type MeshKeys, rangeOfAddress } from './mesh-keys.ts';
import { headerWord } from './mesh-memory.ts';
import type { MeshRecords } from './mesh-records.ts';
import { writePolicy } from './policy-codec.ts';
import type { AlongWith, RecordStore } from './record-store.ts';
import type { RecordWriter } from './record-writer.ts';
import { writeService } from './service-codec.ts';
import type { SharedTexts } from './shared-texts.ts';
import { type RecordKind, recordKind, slotField } from './slot-table.ts';
import { writeWorkload } from './workload-codec.ts';

export interface ObjectKind<T> {
  readonly kind: RecordKind;
  keyOf(value: T): string;
  readonly hashOf: (key: string) => number;
  hashesOf(value: T): readonly number[];
  read(slot: number): T;
  write(writer: RecordWriter, value: T): void;
  /** When `before` becomes `after`; undefined: there is none. */
  alongWith(before: T | undefined, after: T | undefined): AlongWith;
}

export interface ObjectKinds {
  readonly workload: ObjectKind<Workload>;
  readonly service: ObjectKind<Service>;
  readonly policy: ObjectKind<AuthorizationPolicy>;
}

export function describeKinds(
  records: MeshRecords,
  store: RecordStore,
  texts: SharedTexts,
  keys: MeshKeys,
): ObjectKinds {
  const { header } = records.regions;
  return {
    workload: {
      kind: recordKind.workload,
      keyOf: ({ uid }) => uid,
      hashOf: keys.uid,
      hashesOf: (workload) => keys.ofWorkload(workload),
      read: (slot) => records.workload(slot),
      write: writeWorkload,
      alongWith(before, after) {
        const memberships = new Set([...(before?.services.keys() ?? []), ...(after?.services.keys() ?? [])]);
        const slots = [...memberships].flatMap((key) => texts.find(key) ?? []);
        return (version) => {
          for (const slot of slots) store.setWord(slot, slotField.touched, version);
        };
      },
    },
    service: {
      kind: recordKind.service,
      keyOf: serviceKey,
      hashOf: keys.service,
      hashesOf: (service) => keys.ofService(service),
      read: (slot) => records.service(slot),
      write: writeService,
      alongWith(before, after) {
        const [gone, come] = [prefixLengthsOf(before), prefixLengthsOf(after)];
        return () => {
          for (const bits of come) header[headerWord.firstRangeCount + bits] = rangeCount(header, bits) + 1;
          for (const bits of gone) header[headerWord.firstRangeCount + bits] = rangeCount(header, bits) - 1;
        };
      },
    },
    policy: {
      kind: recordKind.policy,
      keyOf: policyKey,
      hashOf: keys.policy,
      hashesOf: (policy) => keys.ofPolicy(policy),
      read: (slot) => records.policy(slot),
      write: writePolicy,
      alongWith: () => (version) => {
        header[headerWord.policiesTouched] = version;
      },
    },
  };
}

function prefixLengthsOf(service: Service | undefined): readonly number[] {
  return (service?.addresses ?? []).flatMap((address) => rangeOfAddress(address)?.prefixLength ?? []);
}

function rangeCount(header: Int32Array, bits: number): number {
  return header[headerWord.firstRangeCount + bits] ?? 0;
}
