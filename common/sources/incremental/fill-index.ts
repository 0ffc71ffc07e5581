// The index over all resources there are, filled in small steps. Resources and settings in; the index out.
import { networkOfCluster, waypointAccountsOf } from '../derive/derivation.ts';
import { type MeshSettings, withMeshConfig } from '../derive/mesh-settings.ts';
import { networkGatewaysOf } from '../derive/network-gateway.ts';
import { isVisible } from '../derive/visible-resources.ts';
import type { Gateway } from '../kinds/gateway.ts';
import type { MeshConfig } from '../kinds/mesh-config.ts';
import type { Pod } from '../kinds/pod.ts';
import type { ObjectMeta } from '../kubernetes-object.ts';
import type { Resource } from '../resources.ts';
import { VisibleIndex } from './visible-index.ts';

/** May pause after each yield, as long as the resources stay what they are. */
export function* fillIndex(all: Iterable<Resource>, given: MeshSettings): Generator<undefined, VisibleIndex> {
  const namespaces = new Map<string, ObjectMeta>();
  const gateways: Gateway[] = [];
  const instances: Pod[] = [];
  let meshConfig: MeshConfig | undefined;
  for (const resource of all) {
    if (resource.kind === 'namespaces') namespaces.set(resource.value.name, resource.value);
    else if (resource.kind === 'meshConfigs') meshConfig ??= resource.value;
    else if (resource.kind === 'gateways') gateways.push(resource.value);
    else if (resource.kind === 'pods' && isGatewayInstance(resource.value)) instances.push(resource.value);
    yield;
  }
  const settings = withMeshConfig(given, meshConfig);
  const seen = (resource: Resource): boolean => isVisible(resource, namespaces, settings);
  const index = new VisibleIndex({
    settings,
    network: networkOfCluster(namespaces, settings),
    networkGateways: networkGatewaysOf(gateways.filter((value) => seen({ kind: 'gateways', value }))),
    waypointAccounts: waypointAccountsOf(
      instances.filter((value) => seen({ kind: 'pods', value })),
      settings,
    ),
  });
  for (const resource of all) {
    if (seen(resource)) index.put(resource);
    yield;
  }
  for (const key of index.gateways.keys()) {
    index.refreshWaypoint(key);
    yield;
  }
  for (const key of index.kubernetesServices.keys()) {
    index.refreshNaming(key);
    yield;
  }
  return index;
}

function isGatewayInstance({ object }: Pod): boolean {
  return object.metadata.labels['gateway.networking.k8s.io/gateway-name'] !== undefined;
}
