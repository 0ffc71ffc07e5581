// Kubernetes resources → the mesh, as istiod derives it: workloads, services and policies, all at once.
// Pure: the same resources give the same snapshot. Source: istio-control.md §3.2; proven against the recorded fixtures.
import { type AuthorizationPolicy, policyKey } from '../../mesh/authorization-policy.ts';
import type { MeshSnapshot } from '../../mesh/mesh-source.ts';
import type { Service } from '../../mesh/service.ts';
import { serviceKey } from '../../mesh/service.ts';
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

export interface DerivedMesh {
  readonly snapshot: MeshSnapshot;
  readonly problems: readonly ResourceProblem[];
}

export function deriveMesh(resources: Resources, settings: MeshSettings): DerivedMesh {
  const derivation = startDerivation(resources, settings);
  const services = derivation.resources.services
    .filter(({ isExternalName }) => !isExternalName)
    .map((service) => serviceFromService(service, derivation));
  const claims = claimsOf(services, derivation);
  const problems: ResourceProblem[] = [];
  const { policies, selecting } = derivePolicies(derivation, problems);
  const snapshot = {
    workloads: deriveWorkloads(derivation, claims, selecting),
    services: [...services, ...claims.map(({ service }) => service)].sort(byKey(serviceKey)),
    policies: [...policies].sort(byKey(policyKey)),
  };
  return { snapshot, problems };
}

function claimsOf(services: readonly Service[], derivation: Derivation): readonly EntryClaim[] {
  const claims = derivation.resources.serviceEntries.flatMap((entry) =>
    servicesFromServiceEntry(entry, derivation).map((service) => ({ entry, service })),
  );
  return settleHostClaims(services, claims);
}

function derivePolicies(derivation: Derivation, problems: ResourceProblem[]) {
  const { resources, settings } = derivation;
  const policies: AuthorizationPolicy[] = [];
  const selecting: { key: string; namespace: string; labels: Readonly<Record<string, string>> }[] = [];
  for (const resource of resources.authorizationPolicies) {
    const converted = policyFromAuthorization(resource, settings);
    problems.push(...converted.problems);
    if (converted.policy === undefined) continue;
    policies.push(converted.policy);
    if (resource.attachment.kind !== 'selector') continue;
    const { namespace } = converted.policy;
    selecting.push({ key: policyKey(converted.policy), namespace, labels: resource.attachment.labels });
  }
  const { peerAuthentications: all } = resources;
  policies.push(...policiesFromPeerAuthentications({ all, rootNamespace: settings.rootNamespace }));
  for (const waypoint of derivation.waypoints.values()) {
    const policy = policyForWaypoint(waypoint, derivation);
    if (policy !== undefined) policies.push(policy);
  }
  return { policies, selecting };
}

function byKey<T>(key: (value: T) => string): (a: T, b: T) => number {
  return (a, b) => (key(a) < key(b) ? -1 : 1);
}
