// Two waypoints that share a service's traffic: the bound one and a canary, by the weight annotation.
// A canary that cannot be used leaves the service with its bound waypoint alone. Source: istio-control.md §3.9.
import type { WeightedWaypoint } from '../../mesh/service.ts';
import { admits, type WaypointBinding, type WaypointDirectory, waypointRequestOf } from './waypoint-binding.ts';

export function weightedWaypointsOf(
  binding: WaypointBinding,
  namespace: string,
  directory: WaypointDirectory,
): readonly WeightedWaypoint[] {
  if (binding.kind !== 'bound') return [];
  const { source, waypoint } = binding;
  const request = waypointRequestOf(source.labels, namespace, 'istio.io/use-waypoint-canary');
  if (request.kind !== 'named') return [];
  const canary = directory.waypoints.get(request.key);
  const weight = weightFrom(source.annotations['istio.io/use-waypoint-canary-weight'] ?? '0');
  const isUsable =
    canary !== undefined &&
    canary !== waypoint &&
    weight !== undefined &&
    admits(canary, namespace, directory) &&
    (canary.trafficType === 'service' || canary.trafficType === 'all');
  if (!isUsable) return [];
  return [
    { destination: waypoint.address, weight: 100 - weight },
    { destination: canary.address, weight },
  ];
}

function weightFrom(text: string): number | undefined {
  return /^(100|[0-9]{1,2})$/.test(text) ? Number(text) : undefined;
}
