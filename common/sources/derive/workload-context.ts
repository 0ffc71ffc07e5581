// Where the derivation of one workload looks: which services select it, which policies it names.
// Made whole from resources here, or kept up to date change by change; the rules that read it are the same.
import { type AuthorizationPolicy, policyKey } from '../../mesh/authorization-policy.ts';
import { addToList, type ListsByKey } from '../../mesh/lists-by-key.ts';
import type { AuthorizationResource } from '../kinds/authorization-policy.ts';
import type { EndpointSlice } from '../kinds/endpoint-slice.ts';
import type { Labels } from '../kinds/label-selector.ts';
import type { PeerAuthentication } from '../kinds/peer-authentication.ts';
import type { ObjectMeta } from '../kubernetes-object.ts';
import type { Resources } from '../resources.ts';
import type { Derivation } from './derivation.ts';
import type { EntryClaim } from './host-claims.ts';
import {
  keyOfService,
  type MeshService,
  meshServiceOf,
  meshServiceOfClaim,
  ServiceDirectory,
} from './service-directory.ts';

/** A policy with a selector: in the root namespace it selects everywhere. */
export interface SelectingPolicy {
  readonly key: string;
  readonly namespace: string;
  readonly labels: Labels;
}

export interface WorkloadContext {
  readonly derivation: Derivation;
  readonly services: ServiceDirectory;
  readonly claims: ServiceDirectory;
  /** By namespace. */
  readonly policies: ReadonlyMap<string, readonly SelectingPolicy[]>;
  readonly peerAuthentications: ReadonlyMap<string, readonly PeerAuthentication[]>;
  /** Keys of services without a selector, by the pods (`podIdentity`) that their slices name. */
  readonly servicesNaming: ReadonlyMap<string, readonly string[]>;
}

export function createWorkloadContext(
  derivation: Derivation,
  resources: Resources,
  claims: readonly EntryClaim[],
  policies: readonly SelectingPolicy[],
): WorkloadContext {
  const services = new ServiceDirectory();
  const ofEntries = new ServiceDirectory();
  for (const service of resources.services) {
    if (!service.isExternalName) services.put(meshServiceOf(service, derivation));
  }
  for (const claim of claims) ofEntries.put(meshServiceOfClaim(claim));
  const servicesNaming: ListsByKey<string, string> = new Map();
  for (const slice of resources.endpointSlices) {
    const service = serviceOfSlice(slice, services, derivation);
    if (service === undefined) continue;
    for (const pod of podsNamedBy(slice, service)) addToList(servicesNaming, pod, service.key);
  }
  return {
    derivation,
    services,
    claims: ofEntries,
    policies: Map.groupBy(policies, ({ namespace }) => namespace),
    peerAuthentications: Map.groupBy(resources.peerAuthentications, ({ object }) => object.metadata.namespace),
    servicesNaming,
  };
}

export function serviceOfSlice(
  slice: EndpointSlice,
  services: ServiceDirectory,
  derivation: Derivation,
): MeshService | undefined {
  const { namespace } = slice.object.metadata;
  return services.byKey.get(keyOfService({ namespace, name: slice.serviceName }, derivation));
}

/** A pod that was made anew under the old name is another one. */
export function podIdentity({ namespace, name, uid }: Pick<ObjectMeta, 'namespace' | 'name' | 'uid'>): string {
  return `${namespace}/${name}/${uid}`;
}

/** Identities of pods. A service with a selector finds its pods by that alone. */
export function podsNamedBy(slice: EndpointSlice, service: MeshService): readonly string[] {
  if (Object.keys(service.selector).length > 0) return [];
  return slice.endpoints.flatMap(({ target }) => (target?.kind === 'Pod' ? [podIdentity(target)] : []));
}

/** What a policy is to workloads: nothing, unless it has a selector. */
export function selectingPolicyOf({
  resource: { attachment },
  policy,
}: {
  readonly resource: AuthorizationResource;
  readonly policy: AuthorizationPolicy | undefined;
}): readonly SelectingPolicy[] {
  if (policy === undefined || attachment.kind !== 'selector') return [];
  return [{ key: policyKey(policy), namespace: policy.namespace, labels: attachment.labels }];
}

/** What counts in a namespace: its own, and what stands in the root namespace. */
export function inForceIn<T>(
  byNamespace: ReadonlyMap<string, readonly T[]>,
  namespace: string,
  rootNamespace: string,
): readonly T[] {
  const own = byNamespace.get(namespace) ?? [];
  const ofRoot = namespace === rootNamespace ? undefined : byNamespace.get(rootNamespace);
  return ofRoot === undefined ? own : [...own, ...ofRoot];
}
