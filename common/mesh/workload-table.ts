// Workloads by uid, address, name and hostname, and who is an endpoint of which service. One writer (`mesh-index.ts`).
// Workloads go in and out by uid; a workload sent again replaces the former one wholly. Memberships do not need their
// service to be known, so that workloads and services may come in any order. Rules: ztunnel.md §4.1.
import type { IpAddress } from '../net/address.ts';
import { addToList, dropFromList, type ListsByKey } from './lists-by-key.ts';
import type { Endpoint, WorkloadName } from './mesh-view.ts';
import { type Service, serviceKey } from './service.ts';
import type { NamespacedHostname, Workload, WorkloadUid } from './workload.ts';

/** The members of one service, with the two lists that may be asked for, made when first asked for. */
interface Membership {
  readonly endpoints: Map<WorkloadUid, Endpoint>;
  all: readonly Endpoint[] | undefined;
  healthy: readonly Endpoint[] | undefined;
}

const none: readonly never[] = [];

export class WorkloadTable {
  readonly byKey = new Map<WorkloadUid, Workload>();
  readonly #byAddress = new Map<string, ListsByKey<IpAddress, Workload>>();
  readonly #byName = new Map<string, readonly Workload[]>();
  readonly #byHostname = new Map<string, readonly Workload[]>();
  readonly #members = new Map<string, Membership>();

  put(workload: Workload): void {
    this.remove(workload.uid);
    this.byKey.set(workload.uid, workload);
    addToList(this.#byName, nameKey(workload), workload);
    if (workload.hostname !== '') addToList(this.#byHostname, serviceKey(workload), workload);
    if (workload.networkMode === 'standard') {
      const network = this.#byAddress.get(workload.network) ?? new Map<IpAddress, readonly Workload[]>();
      this.#byAddress.set(workload.network, network);
      for (const ip of workload.addresses) addToList(network, ip, workload);
    }
    for (const [key, ports] of workload.services) {
      const members = this.#members.get(key) ?? { endpoints: new Map(), all: undefined, healthy: undefined };
      this.#members.set(key, members);
      members.endpoints.set(workload.uid, { workload, ports });
      members.all = members.healthy = undefined;
    }
  }

  /** The workload that was there. */
  remove(uid: WorkloadUid): Workload | undefined {
    const workload = this.byKey.get(uid);
    if (workload === undefined) return undefined;
    this.byKey.delete(uid);
    dropFromList(this.#byName, nameKey(workload), workload);
    if (workload.hostname !== '') dropFromList(this.#byHostname, serviceKey(workload), workload);
    const network = this.#byAddress.get(workload.network);
    if (network !== undefined && workload.networkMode === 'standard') {
      for (const ip of workload.addresses) dropFromList(network, ip, workload);
      if (network.size === 0) this.#byAddress.delete(workload.network);
    }
    for (const key of workload.services.keys()) {
      const members = this.#members.get(key);
      members?.endpoints.delete(uid);
      if (members !== undefined) members.all = members.healthy = undefined;
      if (members?.endpoints.size === 0) this.#members.delete(key);
    }
    return workload;
  }

  findByAddress(network: string, ip: IpAddress): Workload | undefined {
    return bestOfAddress(this.#byAddress.get(network)?.get(ip) ?? none);
  }

  findByName(name: WorkloadName, node: string | undefined): Workload | undefined {
    const candidates = this.#byName.get(nameKey(name)) ?? none;
    return candidates.find((candidate) => node === undefined || candidate.node === node);
  }

  findByHostname(reference: NamespacedHostname): Workload | undefined {
    return this.#byHostname.get(serviceKey(reference))?.[0];
  }

  endpointsOf(service: Service): readonly Endpoint[] {
    const members = this.#members.get(serviceKey(service));
    if (members === undefined) return none;
    members.all ??= [...members.endpoints.values()];
    if (service.loadBalancing?.healthPolicy === 'allow-all') return members.all;
    members.healthy ??= members.all.filter((endpoint) => endpoint.workload.status === 'healthy');
    return members.healthy;
  }
}

/** Of workloads with one address: a pod outlives stale entries of other kinds; among equals the last one sent. */
export function bestOfAddress(candidates: readonly Workload[]): Workload | undefined {
  let best = candidates[0];
  for (const candidate of candidates) if (best === undefined || rank(candidate) >= rank(best)) best = candidate;
  return best;
}

function rank(workload: Workload): number {
  const pod = workload.uid.includes('//Pod/') ? 2 : 0;
  return pod + (workload.tunnelProtocol === 'hbone' ? 1 : 0);
}

function nameKey(name: WorkloadName): string {
  return `${name.namespace}/${name.serviceAccount}/${name.name}`;
}
