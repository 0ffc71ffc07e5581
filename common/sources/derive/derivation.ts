// What every part of the derivation looks things up in: settings, the waypoints and gateways, namespaces and nodes.
// Made from resources and settings together with the visible ones of the resources; holds no state.
import type { GatewayAddress } from '../../mesh/workload.ts';
import type { Pod } from '../kinds/pod.ts';
import type { ObjectMeta } from '../kubernetes-object.ts';
import type { Resources } from '../resources.ts';
import { type MeshSettings, withMeshConfig } from './mesh-settings.ts';
import { type NetworkGateway, networkGatewaysOf } from './network-gateway.ts';
import { visibleResources } from './visible-resources.ts';
import { type Waypoint, waypointOf } from './waypoint.ts';
import type { WaypointDirectory } from './waypoint-binding.ts';

export interface Derivation extends WaypointDirectory {
  readonly nodes: ReadonlyMap<string, ObjectMeta>;
  readonly settings: MeshSettings;
  /** The cluster's own network; "" where there is only one. */
  readonly network: string;
  readonly networkGateways: readonly NetworkGateway[];
  /** Accounts of the pods of waypoints, by `<namespace>/<gateway>`; empty unless waypoints are admitted automatically. */
  readonly waypointAccounts: ReadonlyMap<string, readonly string[]>;
}

export interface StartedDerivation {
  readonly derivation: Derivation;
  /** Those that this mesh sees. */
  readonly resources: Resources;
}

export function startDerivation(all: Resources, given: MeshSettings): StartedDerivation {
  const settings = withMeshConfig(given, all.meshConfigs[0]);
  const resources = visibleResources(all, settings);
  const network = networkOfCluster(all.namespaces, settings);
  const waypoints = new Map<string, Waypoint>();
  for (const gateway of resources.gateways) {
    const waypoint = waypointOf(gateway, resources.gatewayClasses.get(gateway.className), network);
    if (waypoint !== undefined) waypoints.set(`${waypoint.namespace}/${waypoint.name}`, waypoint);
  }
  const derivation = {
    settings,
    network,
    waypoints,
    namespaces: resources.namespaces,
    nodes: resources.nodes,
    networkGateways: networkGatewaysOf(resources.gateways),
    waypointAccounts: waypointAccountsOf(resources.pods, settings),
  };
  return { derivation, resources };
}

export function networkOfCluster(namespaces: ReadonlyMap<string, ObjectMeta>, settings: MeshSettings): string {
  return namespaces.get(settings.systemNamespace)?.labels['topology.istio.io/network'] ?? '';
}

export function networkGatewayFor(network: string, derivation: Derivation): GatewayAddress | undefined {
  return derivation.networkGateways.find((gateway) => gateway.network === network)?.address;
}

export function waypointAccountsOf(
  pods: Iterable<Pod>,
  settings: MeshSettings,
): ReadonlyMap<string, readonly string[]> {
  const accounts = new Map<string, string[]>();
  if (settings.waypointAdmission !== 'automatic') return accounts;
  for (const { object, serviceAccount } of pods) {
    const { namespace, labels } = object.metadata;
    const gateway = labels['gateway.networking.k8s.io/gateway-name'];
    if (gateway === undefined) continue;
    const key = `${namespace}/${gateway}`;
    accounts.set(key, [...(accounts.get(key) ?? []), serviceAccount]);
  }
  return accounts;
}
