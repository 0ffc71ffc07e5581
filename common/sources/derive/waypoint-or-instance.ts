// What waypoints are to a workload: it is an instance of one, or it may stand behind one. Pure.
import type { Workload } from '../../mesh/workload.ts';
import type { ObjectMeta } from '../kubernetes-object.ts';
import type { Derivation } from './derivation.ts';
import { bindWaypoint } from './waypoint-binding.ts';

/** An instance of a waypoint stands behind none. */
export function waypointOrInstance(
  meta: ObjectMeta,
  derivation: Derivation,
): Pick<Workload, 'waypoint' | 'applicationTunnel'> {
  const gatewayName = meta.labels['gateway.networking.k8s.io/gateway-name'];
  const served = derivation.waypoints.get(`${meta.namespace}/${gatewayName}`);
  if (served !== undefined) return { waypoint: undefined, applicationTunnel: served.inboundBinding };
  const binding = bindWaypoint(meta, 'workload', derivation);
  const waypoint = binding.kind === 'bound' ? binding.waypoint.address : undefined;
  return { waypoint, applicationTunnel: undefined };
}
