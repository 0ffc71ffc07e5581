// The endpoints of services as one thread has read them last. A list is good until a member of the service changes; then
// those that did not change come from the cache. Bounded by endpoints in all lists; a list that is larger alone is kept alone.
import type { Endpoint } from '../mesh-view.ts';
import { type Service, serviceKey } from '../service.ts';
import type { Workload } from '../workload.ts';
import type { MeshKeys } from './mesh-keys.ts';
import type { MeshRecords } from './mesh-records.ts';
import { recordKind, slotField } from './slot-table.ts';

interface MemberList {
  /** Of the last change among the members, as the service's key tells. */
  readonly touched: number;
  readonly all: readonly Endpoint[];
  /** Made when first asked for. */
  healthy: readonly Endpoint[] | undefined;
}

interface Members {
  readonly touched: number;
  readonly slots: readonly number[];
}

const none: readonly never[] = [];
const noMembers: Members = { touched: 0, slots: none };
const maxEndpoints = 65_536;

export class EndpointLists {
  readonly #records: MeshRecords;
  readonly #keys: MeshKeys;
  readonly #lists = new Map<string, MemberList>();
  #endpoints = 0;

  constructor(records: MeshRecords, keys: MeshKeys) {
    this.#records = records;
    this.#keys = keys;
  }

  endpointsOf(service: Service): readonly Endpoint[] {
    const list = this.#listOf(serviceKey(service));
    if (service.loadBalancing?.healthPolicy === 'allow-all') return list.all;
    list.healthy ??= list.all.filter(({ workload }) => workload.status === 'healthy');
    return list.healthy;
  }

  #listOf(key: string): MemberList {
    const known = this.#lists.get(key);
    const members = this.#records.read(() => this.#membersOf(key, known?.touched));
    if (members === 'unchanged' && known !== undefined) return known;
    const { touched, slots } = members === 'unchanged' ? noMembers : members;
    const list: MemberList = { touched, all: this.#decode(key, slots), healthy: undefined };
    this.#keep(key, list);
    return list;
  }

  #membersOf(key: string, knownTouched: number | undefined): Members | 'unchanged' {
    const records = this.#records;
    const text = records.slotsFor(this.#keys.text(key), recordKind.text).find((slot) => records.text(slot) === key);
    if (text === undefined) return noMembers;
    const touched = records.slot(text, slotField.touched);
    if (touched === knownTouched) return 'unchanged';
    return { touched, slots: records.slotsFor(this.#keys.member(key), recordKind.workload) };
  }

  /** One after the other, each as it is now: thousands at once would never be read between two changes. */
  #decode(key: string, slots: readonly number[]): readonly Endpoint[] {
    const records = this.#records;
    const endpoints: Endpoint[] = [];
    const add = (workload: Workload | undefined): void => {
      const ports = workload?.services.get(key);
      if (workload !== undefined && ports !== undefined) endpoints.push({ workload, ports });
    };
    let before = 0;
    for (const slot of slots) {
      const isThere = (): boolean => records.kindOf(slot) === recordKind.workload;
      if (slot !== before) add(records.read(() => (isThere() ? records.workload(slot) : undefined)));
      before = slot;
    }
    return endpoints;
  }

  #keep(key: string, list: MemberList): void {
    this.#drop(key);
    if (list.all.length === 0) return;
    for (const oldest of this.#lists.keys()) {
      if (this.#endpoints + list.all.length <= maxEndpoints) break;
      this.#drop(oldest);
    }
    this.#lists.set(key, list);
    this.#endpoints += list.all.length;
  }

  #drop(key: string): void {
    this.#endpoints -= this.#lists.get(key)?.all.length ?? 0;
    this.#lists.delete(key);
  }
}
