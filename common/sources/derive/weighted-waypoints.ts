// Two waypoints that share a service's traffic: the bound one and a canary, by the weight annotation.
// A canary that cannot be used leaves the service with its bound waypoint alone. Source: istio-control.md §3.9, and istiod
// observed: where the bound waypoint is the namespace's, the object may still name canary and weight itself.
import type { WeightedWaypoint } from '../../mesh/service.ts';
import type { ObjectMeta } from '../kubernetes-object.ts';
import {
  admits,
  type WaypointBinding,
  type WaypointDirectory,
  type WaypointRequest,
  waypointRequestOf,
} from './waypoint-binding.ts';

/** What becomes of a wish for a canary; the message is istiod's. */
export type CanaryBinding =
  | { readonly kind: 'none' }
  | { readonly kind: 'bound'; readonly waypoints: readonly WeightedWaypoint[] }
  | { readonly kind: 'refused'; readonly message: string };

/** @param object whose waypoint the binding is */
export function weightedWaypointsOf(
  binding: WaypointBinding,
  object: ObjectMeta,
  directory: WaypointDirectory,
): readonly WeightedWaypoint[] {
  const canary = bindCanary(binding, object, directory);
  return canary.kind === 'bound' ? canary.waypoints : [];
}

export function bindCanary(binding: WaypointBinding, object: ObjectMeta, directory: WaypointDirectory): CanaryBinding {
  if (binding.kind !== 'bound') return { kind: 'none' };
  const { source, waypoint } = binding;
  const request = canaryRequestOf(object, source);
  if (request.kind !== 'named') return { kind: 'none' };
  const canary = directory.waypoints.get(request.key);
  if (canary === undefined) return { kind: 'refused', message: `waypoint "${request.key}" is not ready` };
  if (!admits(canary, object.namespace, directory)) {
    const message = `we are not permitted to attach to waypoint "${request.key}" (missing allowedRoutes?)`;
    return { kind: 'refused', message };
  }
  if (canary.trafficType !== 'service' && canary.trafficType !== 'all') {
    const message = `attempting to bind to traffic type "service" which the waypoint "${request.key}" does not support`;
    return { kind: 'refused', message };
  }
  if (canary === waypoint) {
    return { kind: 'refused', message: `canary waypoint "${request.key}" must differ from the primary waypoint` };
  }
  const weight = weightFrom(object.annotations[weightAnnotation] ?? source.annotations[weightAnnotation] ?? '0');
  if (weight === undefined) {
    const message = `canary waypoint "${request.key}" has an invalid weight; must be an integer in [0,100]`;
    return { kind: 'refused', message };
  }
  const waypoints = [
    { destination: waypoint.address, weight: 100 - weight },
    { destination: canary.address, weight },
  ];
  return { kind: 'bound', waypoints };
}

const canaryLabel = 'istio.io/use-waypoint-canary';
const weightAnnotation = 'istio.io/use-waypoint-canary-weight';

function canaryRequestOf(object: ObjectMeta, source: ObjectMeta): WaypointRequest {
  const own = waypointRequestOf(object.labels, object.namespace, canaryLabel);
  return own.kind === 'unset' ? waypointRequestOf(source.labels, object.namespace, canaryLabel) : own;
}

/** Whole numbers as Go reads them: with a sign, with leading zeros. */
function weightFrom(text: string): number | undefined {
  const weight = /^[+-]?\d{1,18}$/.test(text) ? Number(text) : Number.NaN;
  return weight >= 0 && weight <= 100 ? weight : undefined;
}
