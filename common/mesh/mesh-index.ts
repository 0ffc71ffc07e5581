// The one store of workloads, services and policies: a source writes it (`MeshWriter`), everything else reads it
// (`MeshView`). An object that is sent again with the same value is no change; listeners hear of a batch once, after all
// of it is applied, and only if something differs. Rules: ztunnel.md §4.1.
import { isDeepStrictEqual } from 'node:util';
import { type AuthorizationPolicy, policyKey } from './authorization-policy.ts';
import type { MeshSnapshot, MeshUpdate, MeshWriter } from './mesh-source.ts';
import type { MeshChange, MeshView } from './mesh-view.ts';
import { PolicyTable } from './policy-table.ts';
import { type Service, serviceKey } from './service.ts';
import { ServiceTable } from './service-table.ts';
import type { Workload, WorkloadUid } from './workload.ts';
import { WorkloadTable } from './workload-table.ts';

export type MeshIndex = MeshView & MeshWriter;

/** What the three tables have in common. */
interface Table<K, V> {
  readonly byKey: ReadonlyMap<K, V>;
  put(value: V): void;
  remove(key: K): V | undefined;
}

export function createMeshIndex(): MeshIndex {
  const workloads = new WorkloadTable();
  const services = new ServiceTable();
  const policies = new PolicyTable();
  const listeners = new Set<(change: MeshChange) => void>();
  let revision = 0;

  function apply(update: MeshUpdate): void {
    const change: MeshChange = {
      servicesChanged: applyTo(services, serviceKey, update.removedServices, update.services),
      workloadsChanged: applyTo(workloads, uidOf, update.removedWorkloads, update.workloads),
      policiesChanged: applyTo(policies, policyKey, update.removedPolicies, update.policies),
    };
    if (!change.servicesChanged && !change.workloadsChanged && !change.policiesChanged) return;
    revision++;
    for (const listener of [...listeners]) listener(change);
  }

  return {
    apply,
    replace: (snapshot: MeshSnapshot) => {
      const wanted = {
        workloads: new Map(snapshot.workloads.map((workload: Workload) => [workload.uid, workload])),
        services: new Map(snapshot.services.map((service: Service) => [serviceKey(service), service])),
        policies: new Map(snapshot.policies.map((policy: AuthorizationPolicy) => [policyKey(policy), policy])),
      };
      apply({
        workloads: [...wanted.workloads.values()],
        services: [...wanted.services.values()],
        policies: [...wanted.policies.values()],
        removedWorkloads: keysNotIn(wanted.workloads, workloads.byKey),
        removedServices: keysNotIn(wanted.services, services.byKey),
        removedPolicies: keysNotIn(wanted.policies, policies.byKey),
      });
    },
    workloadByUid: (uid) => workloads.byKey.get(uid),
    workloadByAddress: (network, ip) => workloads.findByAddress(network, ip),
    workloadByName: (name, node) => workloads.findByName(name, node),
    workloadByHostname: (reference) => workloads.findByHostname(reference),
    serviceByAddress: (network, ip, clientNamespace) => services.findByAddress(network, ip, clientNamespace),
    serviceByHostname: (hostname, clientNamespace) => services.findByHostname(hostname, clientNamespace),
    servicesByHostname: (hostname) => services.listByHostname(hostname),
    serviceByKey: (reference) => services.byKey.get(serviceKey(reference)),
    endpointsOf: (service) => workloads.endpointsOf(service),
    policiesFor: (workload) => policies.policiesFor(workload),
    workloads: () => workloads.byKey.values(),
    services: () => services.byKey.values(),
    policies: () => policies.byKey.values(),
    get revision() {
      return revision;
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Removals come before upserts: a key that is in both stays. Returns whether anything differs from before. */
function applyTo<K, V>(
  table: Table<K, V>,
  keyOf: (value: V) => K,
  removed: readonly K[],
  upserts: readonly V[],
): boolean {
  let changed = false;
  for (const key of removed) if (table.remove(key) !== undefined) changed = true;
  for (const value of upserts) {
    if (isDeepStrictEqual(table.byKey.get(keyOf(value)), value)) continue;
    table.put(value);
    changed = true;
  }
  return changed;
}

function keysNotIn<K>(wanted: ReadonlyMap<K, unknown>, present: ReadonlyMap<K, unknown>): K[] {
  return [...present.keys()].filter((key) => !wanted.has(key));
}

function uidOf(workload: Workload): WorkloadUid {
  return workload.uid;
}
