// Leaves out what this mesh does not see: namespaces outside the discovery selectors, configuration of other revisions.
// Resources in, the visible ones out. Pods and Services have no revision. Source: istio-control.md §1.2, fixtures 28, 46, 62.
import { matchesSelector } from '../kinds/label-selector.ts';
import type { KubernetesObject, ObjectMeta } from '../kubernetes-object.ts';
import type { Resource, Resources } from '../resources.ts';
import type { MeshSettings } from './mesh-settings.ts';

interface OfObject {
  readonly object: KubernetesObject;
}

export function visibleResources(resources: Resources, settings: MeshSettings): Resources {
  const isSeen = ({ object }: OfObject): boolean => isInSight(object.metadata, resources.namespaces, settings);
  const isOurs = (resource: OfObject): boolean => isSeen(resource) && isOfRevision(resource.object.metadata, settings);
  return {
    ...resources,
    pods: resources.pods.filter(isSeen),
    services: resources.services.filter(isSeen),
    endpointSlices: resources.endpointSlices.filter(isSeen),
    gateways: resources.gateways.filter(isOurs),
    authorizationPolicies: resources.authorizationPolicies.filter(isOurs),
    peerAuthentications: resources.peerAuthentications.filter(isOurs),
    serviceEntries: resources.serviceEntries.filter(isOurs),
    workloadEntries: resources.workloadEntries.filter(isOurs),
  };
}

export function isVisible(
  resource: Resource,
  namespaces: ReadonlyMap<string, ObjectMeta>,
  settings: MeshSettings,
): boolean {
  switch (resource.kind) {
    case 'namespaces':
    case 'nodes':
    case 'gatewayClasses':
    case 'meshConfigs':
      return true;
    case 'pods':
    case 'services':
    case 'endpointSlices':
      return isInSight(resource.value.object.metadata, namespaces, settings);
    default: {
      const { metadata } = resource.value.object;
      return isInSight(metadata, namespaces, settings) && isOfRevision(metadata, settings);
    }
  }
}

function isInSight(
  meta: ObjectMeta,
  namespaces: ReadonlyMap<string, ObjectMeta>,
  { discoverySelectors }: MeshSettings,
): boolean {
  if (discoverySelectors.length === 0) return true;
  const namespace = namespaces.get(meta.namespace);
  if (namespace === undefined) return false;
  return discoverySelectors.some((selector) => matchesSelector(selector, namespace.labels));
}

function isOfRevision(meta: ObjectMeta, { revision }: MeshSettings): boolean {
  return (meta.labels['istio.io/rev'] ?? revision) === revision;
}
