// Which waypoint stands before a service or a workload: the one its own label names, else the one its namespace names.
// A label that cannot be followed is refused, and never falls back to the namespace's. Source: istio-control.md §3.9.
import { type Labels, matchesSelector } from '../kinds/label-selector.ts';
import type { ObjectMeta } from '../kubernetes-object.ts';
import type { Waypoint } from './waypoint.ts';

export type WaypointBinding =
  | { readonly kind: 'none' }
  | { readonly kind: 'bound'; readonly waypoint: Waypoint; readonly source: ObjectMeta }
  | {
      readonly kind: 'refused';
      /** Reason of the condition `istio.io/WaypointBound`. */
      readonly reason: 'WaypointIsNotReady' | 'AttachmentDenied' | 'UnsupportedTrafficType';
      readonly message: string;
    };

export interface WaypointDirectory {
  /** By `<namespace>/<name>`. */
  readonly waypoints: ReadonlyMap<string, Waypoint>;
  readonly namespaces: ReadonlyMap<string, ObjectMeta>;
}

/** What a label asks for. */
export type WaypointRequest =
  | { readonly kind: 'unset' }
  | { readonly kind: 'opt-out' }
  | { readonly kind: 'named'; readonly key: string };

/** @param namespace of the object that is to be served; a name without a namespace is looked for there */
export function waypointRequestOf(labels: Labels, namespace: string, label = 'istio.io/use-waypoint'): WaypointRequest {
  const name = labels[label];
  if (name === undefined) return { kind: 'unset' };
  if (name === 'none') return { kind: 'opt-out' };
  return { kind: 'named', key: `${labels[`${label}-namespace`] ?? namespace}/${name}` };
}

/** @param meta name, namespace and labels of the object; an endpoint of a ServiceEntry has labels of its own */
export function bindWaypoint(
  meta: ObjectMeta,
  trafficType: 'service' | 'workload',
  directory: WaypointDirectory,
): WaypointBinding {
  const own = waypointRequestOf(meta.labels, meta.namespace);
  if (own.kind === 'opt-out') return { kind: 'none' };
  if (own.kind === 'named') return follow(own.key, meta, meta, trafficType, directory);
  const namespace = directory.namespaces.get(meta.namespace);
  if (namespace === undefined) return { kind: 'none' };
  const inherited = waypointRequestOf(namespace.labels, meta.namespace);
  if (inherited.kind !== 'named') return { kind: 'none' };
  const binding = follow(inherited.key, meta, namespace, trafficType, directory);
  // A namespace's waypoint is commonly for services only: its workloads are not told that they miss it.
  const isSilent =
    trafficType === 'workload' && binding.kind === 'refused' && binding.reason === 'UnsupportedTrafficType';
  return isSilent ? { kind: 'none' } : binding;
}

export function admits(waypoint: Waypoint, namespace: string, directory: WaypointDirectory): boolean {
  const allowed = waypoint.allowedNamespaces;
  if (allowed.kind === 'all') return true;
  if (allowed.kind === 'same') return waypoint.namespace === namespace;
  return matchesSelector(allowed.selector, directory.namespaces.get(namespace)?.labels ?? {});
}

function follow(
  key: string,
  meta: ObjectMeta,
  source: ObjectMeta,
  trafficType: 'service' | 'workload',
  directory: WaypointDirectory,
): WaypointBinding {
  const waypoint = directory.waypoints.get(key);
  if (waypoint === undefined) {
    return { kind: 'refused', reason: 'WaypointIsNotReady', message: `waypoint "${key}" is not ready` };
  }
  if (!admits(waypoint, meta.namespace, directory)) {
    const message = `we are not permitted to attach to waypoint "${key}" (missing allowedRoutes?)`;
    return { kind: 'refused', reason: 'AttachmentDenied', message };
  }
  if (waypoint.trafficType !== 'all' && waypoint.trafficType !== trafficType) {
    const message = `attempting to bind to traffic type "${trafficType}" which the waypoint "${key}" does not support`;
    return { kind: 'refused', reason: 'UnsupportedTrafficType', message };
  }
  return { kind: 'bound', waypoint, source };
}
