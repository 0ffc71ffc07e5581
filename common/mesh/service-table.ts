// Services by key, hostname and virtual address (single ones and CIDR ranges). One writer (`mesh-index.ts`).
// Several services may share a hostname or an address across namespaces: `bestFor` says which one a client gets.
// Rules: ztunnel.md §4.1.
import type { IpAddress } from '../net/address.ts';
import { bitsOf, rangeOf } from '../net/cidr.ts';
import { addToList, dropFromList, type ListsByKey } from './lists-by-key.ts';
import { type Service, serviceKey } from './service.ts';
import type { NetworkAddress } from './workload.ts';

type ServiceLists<K> = ListsByKey<K, Service>;

/** The virtual addresses of one network; ranges stand by prefix length, then by their masked address. */
interface NetworkAddresses {
  readonly single: ServiceLists<IpAddress>;
  readonly ranges: Map<number, ServiceLists<IpAddress>>;
}

const none: readonly never[] = [];

export class ServiceTable {
  readonly byKey = new Map<string, Service>();
  readonly #byHostname: ServiceLists<string> = new Map();
  readonly #byNetwork = new Map<string, NetworkAddresses>();

  put(service: Service): void {
    const key = serviceKey(service);
    this.remove(key);
    this.byKey.set(key, service);
    addToList(this.#byHostname, service.hostname, service);
    for (const address of service.addresses) {
      const { lists, ip } = this.#listsFor(address);
      addToList(lists, ip, service);
    }
  }

  /** The service that was there. */
  remove(key: string): Service | undefined {
    const service = this.byKey.get(key);
    if (service === undefined) return undefined;
    this.byKey.delete(key);
    dropFromList(this.#byHostname, service.hostname, service);
    for (const address of service.addresses) {
      const { lists, ip } = this.#listsFor(address);
      dropFromList(lists, ip, service);
      this.#forgetEmpty(address.network);
    }
    return service;
  }

  findByHostname(hostname: string, clientNamespace: string | undefined): Service | undefined {
    return bestFor(clientNamespace, this.listByHostname(hostname));
  }

  listByHostname(hostname: string): readonly Service[] {
    return this.#byHostname.get(hostname) ?? none;
  }

  findByAddress(network: string, ip: IpAddress, clientNamespace: string | undefined): Service | undefined {
    const addresses = this.#byNetwork.get(network);
    if (addresses === undefined) return undefined;
    const exact = bestFor(clientNamespace, addresses.single.get(ip) ?? none);
    return exact ?? findByRange(addresses.ranges, ip, clientNamespace);
  }

  #listsFor(address: NetworkAddress): { lists: ServiceLists<IpAddress>; ip: IpAddress } {
    let network = this.#byNetwork.get(address.network);
    if (network === undefined) {
      network = { single: new Map(), ranges: new Map() };
      this.#byNetwork.set(address.network, network);
    }
    const { ip, prefixLength } = address;
    const range = prefixLength === undefined || prefixLength >= bitsOf(ip) ? undefined : rangeOf(ip, prefixLength);
    if (range === undefined) return { lists: network.single, ip };
    const lists: ServiceLists<IpAddress> = network.ranges.get(range.prefixLength) ?? new Map();
    network.ranges.set(range.prefixLength, lists);
    return { lists, ip: range.ip };
  }

  #forgetEmpty(name: string): void {
    const network = this.#byNetwork.get(name);
    if (network === undefined) return;
    for (const [prefixLength, lists] of network.ranges) if (lists.size === 0) network.ranges.delete(prefixLength);
    if (network.single.size === 0 && network.ranges.size === 0) this.#byNetwork.delete(name);
  }
}

/** The client's own namespace comes before a longer prefix, as ztunnel ranks. */
function findByRange(
  ranges: ReadonlyMap<number, ServiceLists<IpAddress>>,
  ip: IpAddress,
  clientNamespace: string | undefined,
): Service | undefined {
  let best: Service | undefined;
  for (const prefixLength of [...ranges.keys()].sort((a, b) => b - a)) {
    const range = rangeOf(ip, prefixLength);
    const services = range && ranges.get(prefixLength)?.get(range.ip);
    const candidate = services && bestFor(clientNamespace, services);
    if (candidate?.namespace === clientNamespace && candidate !== undefined) return candidate;
    best ??= candidate;
  }
  return best;
}

/** The visible service of the client's namespace, else the last canonical one, else the first. */
export function bestFor(clientNamespace: string | undefined, services: readonly Service[]): Service | undefined {
  let first: Service | undefined;
  let canonical: Service | undefined;
  for (const service of services) {
    if (clientNamespace !== undefined) {
      if (service.namespace === clientNamespace) return service;
      if (service.visibility === 'namespace') continue;
    }
    first ??= service;
    if (service.canonical) canonical = service;
  }
  return canonical ?? first;
}
