// Kubernetes resources → the mesh, as istiod derives it: workloads, services and policies, all at once.
// Pure: the same resources give the same snapshot. Source: istio-control.md §3.2; proven against the recorded fixtures.
import { type AuthorizationPolicy, policyKey } from '../../mesh/authorization-policy.ts';
import type { MeshSnapshot } from '../../mesh/mesh-source.ts';
import { serviceKey } from '../../mesh/service.ts';
import type { PeerAuthentication } from '../kinds/peer-authentication.ts';
import type { ServiceEntry } from '../kinds/service-entry.ts';
import type { ResourceProblem } from '../resource-problem.ts';
import type { Resources } from '../resources.ts';
import { type Derivation, startDerivation } from './derivation.ts';
import { deriveWorkloads } from './derive-workloads.ts';
import { type EntryClaim, settleHostClaims } from './host-claims.ts';
import type { MeshSettings } from './mesh-settings.ts';
import { policyForWaypoint } from './policy-for-waypoint.ts';
import { policyFromAuthorization } from './policy-from-authorization.ts';
import { policiesFromPeerAuthentications } from './policy-from-peer-authentication.ts';
import { serviceFromService } from './service-from-service.ts';
import { servicesFromServiceEntry } from './service-from-service-entry.ts';
import { createWorkloadContext, selectingPolicyOf } from './workload-context.ts';

export interface DerivedMesh {
  readonly snapshot: MeshSnapshot;
  readonly problems: readonly ResourceProblem[];
}

export function deriveMesh(all: Resources, settings: MeshSettings): DerivedMesh {
  const { derivation, resources } = startDerivation(all, settings);
  const services = resources.services
    .filter(({ isExternalName }) => !isExternalName)
    .map((service) => serviceFromService(service, derivation));
  const claims = settleHostClaims(services, claimsOf(resources.serviceEntries, derivation));
  const converted = resources.authorizationPolicies.map((resource) => ({
    resource,
    ...policyFromAuthorization(resource, derivation.settings),
  }));
  const policies = [
    ...converted.flatMap(({ policy }) => policy ?? []),
    ...policiesBesideAuthorizations(resources.peerAuthentications, derivation),
  ];
  const context = createWorkloadContext(derivation, resources, claims, converted.flatMap(selectingPolicyOf));
  const snapshot = {
    workloads: deriveWorkloads(context, resources, claims),
    services: [...services, ...claims.map(({ service }) => service)].sort(byKey(serviceKey)),
    policies: policies.sort(byKey(policyKey)),
  };
  return { snapshot, problems: converted.flatMap(({ problems }) => problems) };
}

export function claimsOf(entries: Iterable<ServiceEntry>, derivation: Derivation): readonly EntryClaim[] {
  return [...entries].flatMap((entry) =>
    servicesFromServiceEntry(entry, derivation).map((service) => ({ entry, service })),
  );
}

/** Those that PeerAuthentications make, and those by which waypoints are admitted. */
export function policiesBesideAuthorizations(
  all: readonly PeerAuthentication[],
  derivation: Derivation,
): readonly AuthorizationPolicy[] {
  const { rootNamespace } = derivation.settings;
  return [
    ...policiesFromPeerAuthentications({ all, rootNamespace }),
    ...[...derivation.waypoints.values()].flatMap((waypoint) => policyForWaypoint(waypoint, derivation) ?? []),
  ];
}

/** Of two with one key the later stays behind. */
function byKey<T>(key: (value: T) => string): (a: T, b: T) => number {
  return (a, b) => (key(a) < key(b) ? -1 : Number(key(a) > key(b)));
}
