// The visible resources with everything by which they are looked up: it is the context in which single workloads are derived.
// Resources go in and out one by one; who is affected by that is decided in `affected-units.ts`.
import type { Derivation } from '../derive/derivation.ts';
import type { EntryClaim } from '../derive/host-claims.ts';
import { type ConvertedPolicy, policyFromAuthorization } from '../derive/policy-from-authorization.ts';
import { keyOfService, meshServiceOf, meshServiceOfClaim, ServiceDirectory } from '../derive/service-directory.ts';
import { isVisible } from '../derive/visible-resources.ts';
import { type Waypoint, waypointOf } from '../derive/waypoint.ts';
import {
  podsNamedBy,
  type SelectingPolicy,
  selectingPolicyOf,
  serviceOfSlice,
  type WorkloadContext,
} from '../derive/workload-context.ts';
import type { AuthorizationResource } from '../kinds/authorization-policy.ts';
import type { EndpointSlice } from '../kinds/endpoint-slice.ts';
import type { Gateway } from '../kinds/gateway.ts';
import type { PeerAuthentication } from '../kinds/peer-authentication.ts';
import type { Pod } from '../kinds/pod.ts';
import type { KubernetesService } from '../kinds/service.ts';
import type { ServiceEntry } from '../kinds/service-entry.ts';
import type { WorkloadEntry } from '../kinds/workload-entry.ts';
import type { KubernetesObject, ObjectMeta } from '../kubernetes-object.ts';
import type { Resource } from '../resources.ts';
import { KeyedSets } from './keyed-sets.ts';

interface StoredPolicy extends ConvertedPolicy {
  readonly resource: AuthorizationResource;
}

export class VisibleIndex implements WorkloadContext {
  readonly derivation: Derivation;
  readonly namespaces = new Map<string, ObjectMeta>();
  readonly nodes = new Map<string, ObjectMeta>();
  readonly gatewayClasses = new Map<string, ObjectMeta>();
  /** These are by `<namespace>/<name>`. */
  readonly pods = new Map<string, Pod>();
  readonly kubernetesServices = new Map<string, KubernetesService>();
  readonly slices = new Map<string, EndpointSlice>();
  readonly gateways = new Map<string, Gateway>();
  readonly serviceEntries = new Map<string, ServiceEntry>();
  readonly workloadEntries = new Map<string, WorkloadEntry>();
  readonly authorizations = new Map<string, StoredPolicy>();
  readonly podsIn = new KeyedSets();
  readonly podsOn = new KeyedSets();
  readonly servicesIn = new KeyedSets();
  readonly entriesIn = new KeyedSets();
  readonly slicesOf = new KeyedSets();
  readonly waypoints = new Map<string, Waypoint>();
  readonly services = new ServiceDirectory();
  readonly policies = new Map<string, readonly SelectingPolicy[]>();
  readonly peerAuthentications = new Map<string, readonly PeerAuthentication[]>();
  readonly servicesNaming = new Map<string, readonly string[]>();
  readonly #podsNamedBy = new KeyedSets();
  claims = new ServiceDirectory();
  claimList: readonly EntryClaim[] = [];

  constructor(basis: Pick<Derivation, 'settings' | 'network' | 'networkGateways' | 'waypointAccounts'>) {
    this.derivation = { ...basis, waypoints: this.waypoints, namespaces: this.namespaces, nodes: this.nodes };
  }

  isVisible(resource: Resource): boolean {
    return isVisible(resource, this.namespaces, this.derivation.settings);
  }

  put(resource: Resource): void {
    switch (resource.kind) {
      case 'namespaces':
      case 'nodes':
      case 'gatewayClasses':
        this[resource.kind].set(resource.value.name, resource.value);
        return;
      case 'pods':
        this.#putPod(resource.value);
        return;
      case 'services':
        this.#putService(resource.value);
        return;
      case 'endpointSlices': {
        const key = keyOf(resource.value);
        this.slices.set(key, resource.value);
        this.slicesOf.add(serviceKeyOfSlice(resource.value), key);
        return;
      }
      case 'workloadEntries':
        this.workloadEntries.set(keyOf(resource.value), resource.value);
        this.entriesIn.add(resource.value.object.metadata.namespace, keyOf(resource.value));
        return;
      case 'serviceEntries':
        this.serviceEntries.set(keyOf(resource.value), resource.value);
        return;
      case 'gateways':
        this.gateways.set(keyOf(resource.value), resource.value);
        return;
      case 'authorizationPolicies':
        this.#putAuthorization(resource.value);
        return;
      case 'peerAuthentications': {
        const { namespace } = resource.value.object.metadata;
        this.peerAuthentications.set(namespace, [...(this.peerAuthentications.get(namespace) ?? []), resource.value]);
        return;
      }
      case 'meshConfigs':
    }
  }

  drop(resource: Resource): void {
    switch (resource.kind) {
      case 'namespaces':
      case 'nodes':
      case 'gatewayClasses':
        this[resource.kind].delete(resource.value.name);
        return;
      case 'pods':
        this.#dropPod(resource.value);
        return;
      case 'services': {
        const key = keyOf(resource.value);
        this.kubernetesServices.delete(key);
        this.servicesIn.drop(resource.value.object.metadata.namespace, key);
        this.services.remove(keyOfService(resource.value.object.metadata, this.derivation));
        return;
      }
      case 'endpointSlices':
        this.slices.delete(keyOf(resource.value));
        this.slicesOf.drop(serviceKeyOfSlice(resource.value), keyOf(resource.value));
        return;
      case 'workloadEntries':
        this.workloadEntries.delete(keyOf(resource.value));
        this.entriesIn.drop(resource.value.object.metadata.namespace, keyOf(resource.value));
        return;
      case 'serviceEntries':
        this.serviceEntries.delete(keyOf(resource.value));
        return;
      case 'gateways':
        this.gateways.delete(keyOf(resource.value));
        return;
      case 'authorizationPolicies':
        this.#dropAuthorization(resource.value);
        return;
      case 'peerAuthentications':
        dropFrom(this.peerAuthentications, resource.value.object.metadata.namespace, resource.value);
        return;
      case 'meshConfigs':
    }
  }

  /** Whether the gateway serves as waypoint, and how, once its class and its own object are in. @returns that before and after */
  refreshWaypoint(key: string): readonly [before: Waypoint | undefined, after: Waypoint | undefined] {
    const before = this.waypoints.get(key);
    const gateway = this.gateways.get(key);
    const after = gateway && waypointOf(gateway, this.gatewayClasses.get(gateway.className), this.derivation.network);
    if (after === undefined) this.waypoints.delete(key);
    else this.waypoints.set(key, after);
    return [before, after];
  }

  /** Which pods a service without selector has by its slices. @returns keys of the pods named before or now */
  refreshNaming(serviceKey: string): ReadonlySet<string> {
    const named = new Set<string>();
    for (const key of this.slicesOf.get(serviceKey)) {
      const slice = this.slices.get(key);
      const service = slice && serviceOfSlice(slice, this.services, this.derivation);
      if (slice === undefined || service === undefined) continue;
      for (const pod of podsNamedBy(slice, service)) named.add(pod);
    }
    const concerned = this.#podsNamedBy.replace(serviceKey, named);
    const [namespace = '', name = ''] = serviceKey.split('/');
    const meshKey = keyOfService({ namespace, name }, this.derivation);
    for (const pod of concerned) {
      dropFrom(this.servicesNaming, pod, meshKey);
      if (named.has(pod)) this.servicesNaming.set(pod, [...(this.servicesNaming.get(pod) ?? []), meshKey]);
    }
    return new Set([...concerned].map((pod) => pod.slice(0, pod.lastIndexOf('/'))));
  }

  /** What the policy selects workloads by; none where it does not. */
  selectingPoliciesOf(resource: AuthorizationResource): readonly SelectingPolicy[] {
    const stored = this.authorizations.get(keyOf(resource));
    return stored === undefined ? [] : selectingPolicyOf(stored);
  }

  /** @returns the directory that was there before */
  useClaims(claims: readonly EntryClaim[]): ServiceDirectory {
    const before = this.claims;
    this.claims = new ServiceDirectory();
    this.claimList = claims;
    for (const claim of claims) this.claims.put(meshServiceOfClaim(claim));
    return before;
  }

  #putPod(pod: Pod): void {
    const key = keyOf(pod);
    this.pods.set(key, pod);
    this.podsIn.add(pod.object.metadata.namespace, key);
    this.podsOn.add(pod.node, key);
  }

  #dropPod(pod: Pod): void {
    const key = keyOf(pod);
    this.pods.delete(key);
    this.podsIn.drop(pod.object.metadata.namespace, key);
    this.podsOn.drop(pod.node, key);
  }

  #putService(service: KubernetesService): void {
    const key = keyOf(service);
    this.kubernetesServices.set(key, service);
    this.servicesIn.add(service.object.metadata.namespace, key);
    if (!service.isExternalName) this.services.put(meshServiceOf(service, this.derivation));
  }

  #putAuthorization(resource: AuthorizationResource): void {
    const stored = { resource, ...policyFromAuthorization(resource, this.derivation.settings) };
    this.authorizations.set(keyOf(resource), stored);
    for (const policy of selectingPolicyOf(stored)) {
      this.policies.set(policy.namespace, [...(this.policies.get(policy.namespace) ?? []), policy]);
    }
  }

  #dropAuthorization(resource: AuthorizationResource): void {
    const key = keyOf(resource);
    this.authorizations.delete(key);
    const { namespace } = resource.object.metadata;
    const left = (this.policies.get(namespace) ?? []).filter((policy) => policy.key !== key);
    if (left.length === 0) this.policies.delete(namespace);
    else this.policies.set(namespace, left);
  }
}

export function keyOf({ object: { metadata } }: { readonly object: KubernetesObject }): string {
  return `${metadata.namespace}/${metadata.name}`;
}

export function serviceKeyOfSlice(slice: EndpointSlice): string {
  return `${slice.object.metadata.namespace}/${slice.serviceName}`;
}

function dropFrom<V>(lists: Map<string, readonly V[]>, name: string, value: V): void {
  const left = (lists.get(name) ?? []).filter((other) => other !== value);
  if (left.length === 0) lists.delete(name);
  else lists.set(name, left);
}
