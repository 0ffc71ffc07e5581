// What every part of the derivation looks things up in: visible resources, settings, the waypoints and gateways among them.
// Made once a derivation from resources and settings; holds no state.
import type { GatewayAddress } from '../../mesh/workload.ts';
import type { Resources } from '../resources.ts';
import { type MeshSettings, withMeshConfig } from './mesh-settings.ts';
import { type NetworkGateway, networkGatewayOf } from './network-gateway.ts';
import { visibleResources } from './visible-resources.ts';
import { type Waypoint, waypointOf } from './waypoint.ts';
import type { WaypointDirectory } from './waypoint-binding.ts';

export interface Derivation extends WaypointDirectory {
  readonly resources: Resources;
  readonly settings: MeshSettings;
  /** The cluster's own network; "" where there is only one. */
  readonly network: string;
  readonly networkGateways: readonly NetworkGateway[];
}

export function startDerivation(all: Resources, given: MeshSettings): Derivation {
  const settings = withMeshConfig(given, all.meshConfigs[0]);
  const resources = visibleResources(all, settings);
  const network = all.namespaces.get(settings.systemNamespace)?.labels['topology.istio.io/network'] ?? '';
  const waypoints = new Map<string, Waypoint>();
  for (const gateway of resources.gateways) {
    const waypoint = waypointOf(gateway, resources.gatewayClasses.get(gateway.className), network);
    if (waypoint !== undefined) waypoints.set(`${waypoint.namespace}/${waypoint.name}`, waypoint);
  }
  const networkGateways = resources.gateways.flatMap((gateway) => networkGatewayOf(gateway) ?? []);
  return { resources, settings, network, waypoints, namespaces: resources.namespaces, networkGateways };
}

export function networkGatewayFor(network: string, derivation: Derivation): GatewayAddress | undefined {
  return derivation.networkGateways.find((gateway) => gateway.network === network)?.address;
}
