// Leaves out what this mesh does not see: namespaces outside the discovery selectors, configuration of other revisions.
// Resources in, the visible ones out. Pods and Services have no revision. Source: istio-control.md §1.2, fixtures 28, 46, 62.
import { matchesSelector } from '../kinds/label-selector.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import type { Resources } from '../resources.ts';
import type { MeshSettings } from './mesh-settings.ts';

export function visibleResources(resources: Resources, settings: MeshSettings): Resources {
  const { discoverySelectors, revision } = settings;
  const isSeen = ({ object }: { readonly object: KubernetesObject }): boolean => {
    if (discoverySelectors.length === 0) return true;
    const namespace = resources.namespaces.get(object.metadata.namespace);
    if (namespace === undefined) return false;
    return discoverySelectors.some((selector) => matchesSelector(selector, namespace.labels));
  };
  const isOurs = (resource: { readonly object: KubernetesObject }): boolean =>
    isSeen(resource) && (resource.object.metadata.labels['istio.io/rev'] ?? revision) === revision;
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
