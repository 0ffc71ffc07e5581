// Changes after which the whole mesh is derived anew: rare ones whose effects reach everywhere.
// The settings in force and the resource before and after in; yes or no out.
import { isDeepStrictEqual } from 'node:util';
import type { MeshSettings } from '../derive/mesh-settings.ts';
import { networkGatewaysIn } from '../derive/network-gateway.ts';
import type { ObjectMeta } from '../kubernetes-object.ts';
import type { Resource } from '../resources.ts';

export interface KindChange {
  readonly before: Resource | undefined;
  readonly after: Resource | undefined;
}

export function concernsAll({ before, after }: KindChange, settings: MeshSettings): boolean {
  const [was, is] = [before, after].map((resource) => reachOf(resource, settings));
  return !isDeepStrictEqual(was, is);
}

/** What of a resource reaches everywhere; undefined: nothing. */
function reachOf(resource: Resource | undefined, settings: MeshSettings): unknown {
  switch (resource?.kind) {
    case 'meshConfigs':
      return resource.value;
    case 'namespaces':
      return reachOfNamespace(resource.value, settings);
    case 'gateways':
      return settings.waypointAdmission === 'automatic' ? resource : networkGatewaysIn(resource.value);
    case undefined:
    case 'nodes':
      return undefined;
    case 'pods': {
      if (settings.waypointAdmission !== 'automatic') return undefined;
      const { labels } = resource.value.object.metadata;
      const gateway = labels['gateway.networking.k8s.io/gateway-name'];
      return gateway && [gateway, resource.value.serviceAccount];
    }
    default:
      return settings.waypointAdmission === 'automatic' ? resource : undefined;
  }
}

function reachOfNamespace(namespace: ObjectMeta, settings: MeshSettings): unknown {
  if (settings.waypointAdmission === 'automatic' || settings.discoverySelectors.length > 0) {
    return [namespace.labels, namespace.annotations];
  }
  return namespace.name === settings.systemNamespace ? namespace.labels['topology.istio.io/network'] : undefined;
}
