// The mesh as a thread reads it that shares its memory with the writer. Every look-up is of one moment, sees what the writer
// has changed at once, and gives the same answers as `mesh-index.ts`. Changes are told by `announce`. Rules: ztunnel.md §4.1.
import type { IpAddress } from '../../net/address.ts';
import { rangeOf } from '../../net/cidr.ts';
import { type AuthorizationPolicy, policyKey } from '../authorization-policy.ts';
import type { Endpoint, MeshChange, MeshView, WorkloadName } from '../mesh-view.ts';
import type { WorkloadPolicies } from '../policy-table.ts';
import { type Service, serviceKey } from '../service.ts';
import { bestFor } from '../service-table.ts';
import type { NamespacedHostname, Workload, WorkloadUid } from '../workload.ts';
import { bestOfAddress } from '../workload-table.ts';
import { AddressAnswers } from './address-answers.ts';
import { EndpointLists } from './endpoint-lists.ts';
import { MeshKeys, rangeOfAddress } from './mesh-keys.ts';
import { headerWord } from './mesh-memory.ts';
import type { MeshRecords } from './mesh-records.ts';
import { type RecordKind, recordKind } from './slot-table.ts';

const longestPrefix = 128;

export class SharedMeshView implements MeshView {
  readonly #records: MeshRecords;
  readonly #keys: MeshKeys;
  readonly #endpoints: EndpointLists;
  readonly #workloadAnswers = new AddressAnswers<Workload>();
  readonly #serviceAnswers = new AddressAnswers<Service>();
  readonly #listeners = new Set<(change: MeshChange) => void>();
  /** Good while no policy has changed. */
  #policiesOf = new WeakMap<Workload, WorkloadPolicies>();
  #policiesTouched = 0;

  constructor(records: MeshRecords) {
    this.#records = records;
    this.#keys = new MeshKeys(records.header(headerWord.hashSeed));
    this.#endpoints = new EndpointLists(records, this.#keys);
  }

  get revision(): number {
    return this.#records.header(headerWord.revision);
  }

  workloadByUid(uid: WorkloadUid): Workload | undefined {
    const hash = this.#keys.uid(uid);
    return this.#records.read(() => this.#workloadsFor(hash).find((workload) => workload.uid === uid));
  }

  workloadByAddress(network: string, ip: IpAddress): Workload | undefined {
    const { moment } = this.#records;
    const known = this.#workloadAnswers.get(moment, network, ip, undefined);
    if (known !== undefined) return known.found;
    const found = this.#findWorkload(network, ip);
    if (moment === this.#records.moment) {
      this.#workloadAnswers.set(moment, ip, { network, clientNamespace: undefined, found });
    }
    return found;
  }

  workloadByName(name: WorkloadName, node: string | undefined): Workload | undefined {
    const hash = this.#keys.workloadName(name);
    const isNamed = (workload: Workload): boolean =>
      workload.name === name.name &&
      workload.namespace === name.namespace &&
      workload.serviceAccount === name.serviceAccount &&
      (node === undefined || workload.node === node);
    return this.#records.read(() => this.#workloadsFor(hash).find(isNamed));
  }

  workloadByHostname(reference: NamespacedHostname): Workload | undefined {
    const { namespace, hostname } = reference;
    if (hostname === '') return undefined;
    const hash = this.#keys.workloadHostname(reference);
    const isNamed = (workload: Workload): boolean => workload.hostname === hostname && workload.namespace === namespace;
    return this.#records.read(() => this.#workloadsFor(hash).find(isNamed));
  }

  serviceByAddress(network: string, ip: IpAddress, clientNamespace: string | undefined): Service | undefined {
    const { moment } = this.#records;
    const known = this.#serviceAnswers.get(moment, network, ip, clientNamespace);
    if (known !== undefined) return known.found;
    const found = this.#findService(network, ip, clientNamespace);
    if (moment === this.#records.moment) this.#serviceAnswers.set(moment, ip, { network, clientNamespace, found });
    return found;
  }

  serviceByHostname(hostname: string, clientNamespace: string | undefined): Service | undefined {
    return bestFor(clientNamespace, this.servicesByHostname(hostname));
  }

  servicesByHostname(hostname: string): readonly Service[] {
    const hash = this.#keys.serviceHostname(hostname);
    const isNamed = (service: Service): boolean => service.hostname === hostname;
    return this.#records.read(() => this.#servicesFor(hash).filter(isNamed));
  }

  serviceByKey(reference: NamespacedHostname): Service | undefined {
    const key = serviceKey(reference);
    const hash = this.#keys.service(key);
    return this.#records.read(() => this.#servicesFor(hash).find((service) => serviceKey(service) === key));
  }

  endpointsOf(service: Service): readonly Endpoint[] {
    return this.#endpoints.endpointsOf(service);
  }

  policiesFor(workload: Workload): WorkloadPolicies {
    return this.#records.read(() => {
      const touched = this.#records.header(headerWord.policiesTouched);
      const known = touched === this.#policiesTouched ? this.#policiesOf.get(workload) : undefined;
      if (known !== undefined) return known;
      const found = this.#findPolicies(workload);
      // What is not of one moment is thrown away, and must not be remembered.
      if (!this.#records.isWhole()) return found;
      if (touched !== this.#policiesTouched) this.#policiesOf = new WeakMap();
      this.#policiesTouched = touched;
      this.#policiesOf.set(workload, found);
      return found;
    });
  }

  workloads(): Iterable<Workload> {
    return this.#all(recordKind.workload, (slot) => this.#records.workload(slot));
  }

  services(): Iterable<Service> {
    return this.#all(recordKind.service, (slot) => this.#records.service(slot));
  }

  policies(): Iterable<AuthorizationPolicy> {
    return this.#all(recordKind.policy, (slot) => this.#records.policy(slot));
  }

  onChange(listener: (change: MeshChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The writer, in this or another thread, has applied something. */
  announce(change: MeshChange): void {
    for (const listener of [...this.#listeners]) listener(change);
  }

  #findWorkload(network: string, ip: IpAddress): Workload | undefined {
    const hash = this.#keys.workloadAddress(network, ip);
    const hasAddress = (workload: Workload): boolean =>
      workload.network === network && workload.networkMode === 'standard' && workload.addresses.includes(ip);
    return this.#records.read(() => bestOfAddress(this.#workloadsFor(hash).filter(hasAddress)));
  }

  #findService(network: string, ip: IpAddress, clientNamespace: string | undefined): Service | undefined {
    const hash = this.#keys.serviceAddress(network, ip);
    const hasAddress = (service: Service): boolean =>
      service.addresses.some(
        (address) => address.network === network && address.ip === ip && rangeOfAddress(address) === undefined,
      );
    return this.#records.read(() => {
      const exact = bestFor(clientNamespace, this.#servicesFor(hash).filter(hasAddress));
      return exact ?? this.#serviceByRange(network, ip, clientNamespace);
    });
  }

  #workloadsFor(hash: number): readonly Workload[] {
    return this.#records.slotsFor(hash, recordKind.workload).map((slot) => this.#records.workload(slot));
  }

  #servicesFor(hash: number): readonly Service[] {
    return this.#records.slotsFor(hash, recordKind.service).map((slot) => this.#records.service(slot));
  }

  #policiesAt(hash: number): readonly AuthorizationPolicy[] {
    return this.#records.slotsFor(hash, recordKind.policy).map((slot) => this.#records.policy(slot));
  }

  /** The client's own namespace comes before a longer prefix, as ztunnel ranks. */
  #serviceByRange(network: string, ip: IpAddress, clientNamespace: string | undefined): Service | undefined {
    let best: Service | undefined;
    for (let bits = longestPrefix; bits >= 0; bits--) {
      if (this.#records.header(headerWord.firstRangeCount + bits) === 0) continue;
      const range = rangeOf(ip, bits);
      if (range === undefined) continue;
      const hash = this.#keys.serviceRange(network, range);
      const holds = (service: Service): boolean =>
        service.addresses.some((address) => {
          const own = rangeOfAddress(address);
          return address.network === network && own?.ip === range.ip && own.prefixLength === bits;
        });
      const candidate = bestFor(clientNamespace, this.#servicesFor(hash).filter(holds));
      if (candidate !== undefined && candidate.namespace === clientNamespace) return candidate;
      best ??= candidate;
    }
    return best;
  }

  #findPolicies(workload: Workload): WorkloadPolicies {
    const { namespace, authorizationPolicies } = workload;
    const isGlobal = ({ scope }: AuthorizationPolicy): boolean => scope === 'global';
    const isOfNamespace = (policy: AuthorizationPolicy): boolean =>
      policy.scope === 'namespace' && policy.namespace === namespace;
    const found = new Set(this.#policiesAt(this.#keys.globalPolicy()).filter(isGlobal));
    for (const policy of this.#policiesAt(this.#keys.namespacePolicy(namespace))) {
      if (isOfNamespace(policy)) found.add(policy);
    }
    const unknown: string[] = [];
    for (const key of authorizationPolicies) {
      const named = this.#policiesAt(this.#keys.policy(key)).find((policy) => policyKey(policy) === key);
      if (named === undefined) unknown.push(key);
      else found.add(named);
    }
    return { policies: [...found], unknown };
  }

  /** Each as it is when it is reached. */
  *#all<T>(kind: RecordKind, read: (slot: number) => T): Generator<T> {
    const records = this.#records;
    const last = records.read(() => records.header(headerWord.lastSlot));
    for (let slot = 1; slot <= last; slot++) {
      const value = records.read(() => (records.kindOf(slot) === kind ? read(slot) : undefined));
      if (value !== undefined) yield value;
    }
  }
}
