// Which parts of the mesh have to be derived again because a resource changed: who depends on what, in one place.
// The index as it is after the change, and the resource before and after, in; keys of what is affected are added.

import { isDeepStrictEqual } from 'node:util';
import type { ServiceDirectory } from '../derive/service-directory.ts';
import { waypointRequestOf } from '../derive/waypoint-binding.ts';
import type { SelectingPolicy } from '../derive/workload-context.ts';
import type { Labels } from '../kinds/label-selector.ts';
import { isSubset } from '../kinds/label-selector.ts';
import type { ObjectMeta } from '../kubernetes-object.ts';
import type { Resource } from '../resources.ts';
import { keyOf, serviceKeyOfSlice, type VisibleIndex } from './visible-index.ts';

/** Keys `<namespace>/<name>` of resources to derive again. */
export class AffectedUnits {
  readonly pods = new Set<string>();
  readonly workloadEntries = new Set<string>();
  readonly services = new Set<string>();
  readonly slices = new Set<string>();
  /** Hosts of ServiceEntries and their endpoints: who owns a host is settled among all. */
  serviceEntries: 'unchanged' | 'affected' = 'unchanged';
  policies: 'unchanged' | 'affected' = 'unchanged';
}

/** Resources of one key; at least one of both is there, and both are of one kind. */
export interface VisibleChange {
  readonly before: Resource | undefined;
  readonly after: Resource | undefined;
}

/** @param policiesBefore what the policy of this key selected before the change, if it is one with a selector */
export function addAffected(
  change: VisibleChange,
  policiesBefore: readonly SelectingPolicy[],
  index: VisibleIndex,
  into: AffectedUnits,
): void {
  for (const resource of [change.before, change.after]) {
    if (resource !== undefined) addAffectedBy(resource, change, index, into);
  }
  const resource = change.after ?? change.before;
  if (resource?.kind !== 'authorizationPolicies') return;
  const policiesAfter = change.after === undefined ? [] : index.selectingPoliciesOf(resource.value);
  if (isDeepStrictEqual(policiesBefore, policiesAfter)) return;
  for (const { namespace, labels } of [...policiesBefore, ...policiesAfter])
    addGoverned(namespace, labels, index, into);
}

function addAffectedBy(resource: Resource, change: VisibleChange, index: VisibleIndex, into: AffectedUnits): void {
  switch (resource.kind) {
    case 'pods':
      into.pods.add(keyOf(resource.value));
      return;
    case 'workloadEntries':
      into.workloadEntries.add(keyOf(resource.value));
      return;
    case 'serviceEntries':
      into.serviceEntries = 'affected';
      return;
    case 'services': {
      const key = keyOf(resource.value);
      into.services.add(key);
      if (index.serviceEntries.size > 0) into.serviceEntries = 'affected';
      addSelected(resource.value.object.metadata.namespace, resource.value.selector, index, into);
      for (const slice of index.slicesOf.get(key)) into.slices.add(slice);
      for (const pod of index.refreshNaming(key)) into.pods.add(pod);
      return;
    }
    case 'endpointSlices':
      into.slices.add(keyOf(resource.value));
      for (const pod of index.refreshNaming(serviceKeyOfSlice(resource.value))) into.pods.add(pod);
      return;
    case 'namespaces':
      if (!hasSameTexts(change)) addNamespace(resource.value.name, index, into);
      return;
    case 'nodes':
      if (!hasSameTexts(change)) for (const pod of index.podsOn.get(resource.value.name)) into.pods.add(pod);
      return;
    case 'gateways':
      addWaypoint(keyOf(resource.value), index, into);
      return;
    case 'gatewayClasses':
      for (const [key, { className }] of index.gateways) {
        if (className === resource.value.name) addWaypoint(key, index, into);
      }
      return;
    case 'authorizationPolicies':
      into.policies = 'affected';
      return;
    case 'peerAuthentications':
      into.policies = 'affected';
      addGoverned(resource.value.object.metadata.namespace, resource.value.selector ?? {}, index, into);
      return;
    case 'meshConfigs':
  }
}

/** Hosts that a ServiceEntry has won, lost or changed: whoever it selects gets or loses it. */
export function addClaimChanges(before: ServiceDirectory, index: VisibleIndex, into: AffectedUnits): void {
  for (const key of new Set([...before.byKey.keys(), ...index.claims.byKey.keys()])) {
    const [was, is] = [before.byKey.get(key), index.claims.byKey.get(key)];
    if (isDeepStrictEqual(was, is)) continue;
    for (const service of [was, is]) {
      if (service !== undefined) addSelected(service.namespace, service.selector, index, into);
    }
  }
}

/** A Node's status changes all the time, and counts for nothing here. */
function hasSameTexts({ before, after }: VisibleChange): boolean {
  if (before === undefined || after === undefined) return false;
  const [a, b] = [before.value as ObjectMeta, after.value as ObjectMeta];
  return isDeepStrictEqual(a.labels, b.labels) && isDeepStrictEqual(a.annotations, b.annotations);
}

/** An empty selector of a service selects nothing. */
function addSelected(namespace: string, selector: Labels, index: VisibleIndex, into: AffectedUnits): void {
  if (Object.keys(selector).length > 0) addLabelled(namespace, selector, index, into);
}

/** Workloads whose policies may change; in the root namespace it selects everywhere. */
function addGoverned(namespace: string, selector: Labels, index: VisibleIndex, into: AffectedUnits): void {
  if (index.serviceEntries.size > 0) into.serviceEntries = 'affected';
  if (namespace !== index.derivation.settings.rootNamespace) {
    addLabelled(namespace, selector, index, into);
    return;
  }
  for (const [key, { object }] of index.pods) if (isSubset(selector, object.metadata.labels)) into.pods.add(key);
  for (const [key, { labels }] of index.workloadEntries) if (isSubset(selector, labels)) into.workloadEntries.add(key);
}

function addLabelled(namespace: string, selector: Labels, index: VisibleIndex, into: AffectedUnits): void {
  for (const key of index.podsIn.get(namespace)) {
    const pod = index.pods.get(key);
    if (pod !== undefined && isSubset(selector, pod.object.metadata.labels)) into.pods.add(key);
  }
  for (const key of index.entriesIn.get(namespace)) {
    const entry = index.workloadEntries.get(key);
    if (entry !== undefined && isSubset(selector, entry.labels)) into.workloadEntries.add(key);
  }
}

/** Its labels and annotations are defaults for everything in it. */
function addNamespace(namespace: string, index: VisibleIndex, into: AffectedUnits): void {
  for (const key of index.podsIn.get(namespace)) into.pods.add(key);
  for (const key of index.entriesIn.get(namespace)) into.workloadEntries.add(key);
  for (const key of index.servicesIn.get(namespace)) into.services.add(key);
  if (index.serviceEntries.size > 0) into.serviceEntries = 'affected';
}

/** Whoever names the waypoint, by its own label or its namespace's, and the instances of it. */
function addWaypoint(key: string, index: VisibleIndex, into: AffectedUnits): void {
  const [before, after] = index.refreshWaypoint(key);
  if (isDeepStrictEqual(before, after)) return;
  for (const { name, labels } of index.namespaces.values()) {
    if (names(labels, name, key)) addNamespace(name, index, into);
  }
  if (index.serviceEntries.size > 0) into.serviceEntries = 'affected';
  for (const [unit, { object }] of index.kubernetesServices) {
    if (names(object.metadata.labels, object.metadata.namespace, key)) into.services.add(unit);
  }
  for (const [unit, { object, labels }] of index.workloadEntries) {
    if (names(labels, object.metadata.namespace, key)) into.workloadEntries.add(unit);
  }
  for (const [unit, { object }] of index.pods) {
    const { namespace, labels } = object.metadata;
    const isInstance = `${namespace}/${labels['gateway.networking.k8s.io/gateway-name']}` === key;
    if (isInstance || names(labels, namespace, key)) into.pods.add(unit);
  }
}

function names(labels: Labels, namespace: string, key: string): boolean {
  return ['istio.io/use-waypoint', 'istio.io/use-waypoint-canary'].some((label) => {
    const request = waypointRequestOf(labels, namespace, label);
    return request.kind === 'named' && request.key === key;
  });
}
