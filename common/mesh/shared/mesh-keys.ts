// Under which hashes an object of the mesh is found. A hash only narrows the search: whoever finds an object by it checks
// the object itself. In: objects or keys. Out: numbers of 32 bits.
import type { IpAddress } from '../../net/address.ts';
import { bitsOf, type IpRange, rangeOf } from '../../net/cidr.ts';
import { type AuthorizationPolicy, policyKey } from '../authorization-policy.ts';
import type { WorkloadName } from '../mesh-view.ts';
import { type Service, serviceKey } from '../service.ts';
import type { NamespacedHostname, NetworkAddress, Workload } from '../workload.ts';

/** What a key is a key of; texts that look alike are told apart by it. */
const about = {
  text: 1,
  uid: 2,
  workloadAddress: 3,
  workloadName: 4,
  workloadHostname: 5,
  member: 6,
  service: 7,
  serviceHostname: 8,
  serviceAddress: 9,
  serviceRange: 10,
  policy: 11,
  namespacePolicy: 12,
  globalPolicy: 13,
} as const;

export class MeshKeys {
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  text = (text: string): number => this.#hash(about.text, text);
  uid = (uid: string): number => this.#hash(about.uid, uid);
  workloadAddress = (network: string, ip: IpAddress): number => this.#hash(about.workloadAddress, network, ip);
  workloadName = ({ namespace, name, serviceAccount }: WorkloadName): number =>
    this.#hash(about.workloadName, namespace, serviceAccount, name);
  workloadHostname = ({ namespace, hostname }: NamespacedHostname): number =>
    this.#hash(about.workloadHostname, namespace, hostname);
  member = (key: string): number => this.#hash(about.member, key);
  service = (key: string): number => this.#hash(about.service, key);
  serviceHostname = (hostname: string): number => this.#hash(about.serviceHostname, hostname);
  serviceAddress = (network: string, ip: IpAddress): number => this.#hash(about.serviceAddress, network, ip);
  serviceRange = (network: string, { ip, prefixLength }: IpRange): number =>
    this.#hash(about.serviceRange + prefixLength * 16, network, ip);
  policy = (key: string): number => this.#hash(about.policy, key);
  namespacePolicy = (namespace: string): number => this.#hash(about.namespacePolicy, namespace);
  globalPolicy = (): number => this.#hash(about.globalPolicy);

  ofWorkload(workload: Workload): readonly number[] {
    const { uid, network, addresses, hostname, networkMode, services } = workload;
    const hashes = [this.uid(uid), this.workloadName(workload)];
    if (hostname !== '') hashes.push(this.workloadHostname(workload));
    // An address that is named twice is one.
    if (networkMode === 'standard') for (const ip of new Set(addresses)) hashes.push(this.workloadAddress(network, ip));
    for (const key of services.keys()) hashes.push(this.member(key));
    return hashes;
  }

  ofService(service: Service): readonly number[] {
    const hashes = new Set([this.service(serviceKey(service)), this.serviceHostname(service.hostname)]);
    for (const address of service.addresses) {
      const range = rangeOfAddress(address);
      const { network, ip } = address;
      hashes.add(range === undefined ? this.serviceAddress(network, ip) : this.serviceRange(network, range));
    }
    return [...hashes];
  }

  ofPolicy(policy: AuthorizationPolicy): readonly number[] {
    const own = this.policy(policyKey(policy));
    if (policy.scope === 'global') return [own, this.globalPolicy()];
    return policy.scope === 'namespace' ? [own, this.namespacePolicy(policy.namespace)] : [own];
  }

  #hash(kind: number, ...parts: readonly string[]): number {
    let hash = this.#seed ^ Math.imul(kind, 0x9e3779b1);
    for (const part of parts) {
      for (let index = 0; index < part.length; index++) {
        hash = Math.imul(hash ^ part.charCodeAt(index), 0x01000193);
        hash ^= hash >>> 15;
      }
      hash = Math.imul(hash ^ 0xffff, 0x85ebca6b);
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35);
    return (hash ^ (hash >>> 13)) >>> 0;
  }
}

/** Undefined for a single address. */
export function rangeOfAddress({ ip, prefixLength }: NetworkAddress): IpRange | undefined {
  return prefixLength === undefined || prefixLength >= bitsOf(ip) ? undefined : rangeOf(ip, prefixLength);
}
