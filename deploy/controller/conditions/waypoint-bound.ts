// The condition `istio.io/WaypointBound`: whether the waypoint that an object or its namespace asks for serves it, in istiod's words.
// An object with its labels in; the condition out, undefined where no waypoint is asked for. Pure.
import { parseBooleanText } from '../../../common/sources/derive/boolean-text.ts';
import type { Derivation } from '../../../common/sources/derive/derivation.ts';
import { bindWaypointOfService, ingressLabelOf } from '../../../common/sources/derive/service-from-service.ts';
import { bindWaypoint, type WaypointBinding } from '../../../common/sources/derive/waypoint-binding.ts';
import { bindCanary } from '../../../common/sources/derive/weighted-waypoints.ts';
import type { ObjectMeta } from '../../../common/sources/kubernetes-object.ts';
import type { Condition } from './condition.ts';

export function waypointBound(
  meta: ObjectMeta,
  trafficType: 'service' | 'workload',
  derivation: Derivation,
): Condition | undefined {
  const binding =
    trafficType === 'service' ? bindWaypointOfService(meta, derivation) : bindWaypoint(meta, 'workload', derivation);
  const base = { type: 'istio.io/WaypointBound', observedGeneration: undefined };
  switch (binding.kind) {
    case 'none':
      return undefined;
    case 'refused':
      return { ...base, status: 'False', reason: binding.reason, message: binding.message };
    case 'bound': {
      const { namespace, name } = binding.waypoint;
      const more = trafficType === 'service' ? whatElse(meta, binding, derivation) : '';
      const message = `Successfully attached to waypoint ${namespace}/${name}${more}`;
      return { ...base, status: 'True', reason: 'WaypointAccepted', message };
    }
  }
}

function whatElse(meta: ObjectMeta, binding: WaypointBinding, derivation: Derivation): string {
  const ingress = ingressLabelOf(meta, derivation);
  const canary = bindCanary(binding, meta, derivation);
  const ofIngress =
    parseBooleanText(ingress) === true
      ? '. Ingress traffic will traverse the waypoint'
      : ingress === undefined
        ? ''
        : '. Ingress traffic is not using the waypoint, set the istio.io/ingress-use-waypoint label to true if desired.';
  return `${ofIngress}${canary.kind === 'refused' ? `. Canary waypoint not attached: ${canary.message}` : ''}`;
}
