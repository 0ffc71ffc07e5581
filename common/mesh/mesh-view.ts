// The only way by which the data path and the decisions read who is where and who may talk to whom.
// Everything returned is immutable and stays valid after a change. One writer fills what is behind it (`MeshIndex`).
// Look-up rules: ztunnel.md §4.1.
import type { IpAddress } from '../net/address.ts';
import type { AuthorizationPolicy } from './authorization-policy.ts';
import type { Service } from './service.ts';
import type { NamespacedHostname, ServicePort, Workload, WorkloadUid } from './workload.ts';

/** One workload's membership of one service. */
export interface Endpoint {
  readonly workload: Workload;
  /** The workload's own port map for that service. */
  readonly ports: readonly ServicePort[];
}

/** The name by which a pod is known to its node, before the mesh has told its addresses. */
export interface WorkloadName {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

export interface MeshView {
  workloadByUid(uid: WorkloadUid): Workload | undefined;
  /** Host-network workloads are not found by address. */
  workloadByAddress(network: string, ip: IpAddress): Workload | undefined;
  /** @param node only workloads of this node; undefined: of any. */
  workloadByName(name: WorkloadName, node: string | undefined): Workload | undefined;
  /** A waypoint or gateway reference that names no service may name a workload. */
  workloadByHostname(reference: NamespacedHostname): Workload | undefined;
  /** Best service for a virtual address: of the client's namespace, else canonical, else the first; then CIDR addresses. */
  serviceByAddress(network: string, ip: IpAddress, clientNamespace: string | undefined): Service | undefined;
  serviceByHostname(hostname: string, clientNamespace: string | undefined): Service | undefined;
  /** All services of this name, whoever may see them, in the order in which they were told. */
  servicesByHostname(hostname: string): readonly Service[];
  /** Exactly this service (waypoint and gateway references). */
  serviceByKey(reference: NamespacedHostname): Service | undefined;
  /** Endpoints that may be picked: healthy ones, or all where the service says so. */
  endpointsOf(service: Service): readonly Endpoint[];
  /** Global and namespace policies, then those the workload names. `unknown` are names it has that are not known (yet): they fail closed. */
  policiesFor(workload: Workload): {
    readonly policies: readonly AuthorizationPolicy[];
    readonly unknown: readonly string[];
  };
  workloads(): Iterable<Workload>;
  services(): Iterable<Service>;
  policies(): Iterable<AuthorizationPolicy>;
  /** Grows with every applied change. */
  readonly revision: number;
  /** Called after each applied change; the returned function unsubscribes. */
  onChange(listener: (change: MeshChange) => void): () => void;
}

export interface MeshChange {
  readonly servicesChanged: boolean;
  readonly policiesChanged: boolean;
  readonly workloadsChanged: boolean;
}
