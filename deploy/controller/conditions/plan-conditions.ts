// What the mesh tells of each object in its status: which waypoint a Service, ServiceEntry or WorkloadEntry is bound to, and who
// enforces an AuthorizationPolicy. istiod writes this where there is one. Pure: all objects in, conditions out.
import { type Derivation, startDerivation } from '../../../common/sources/derive/derivation.ts';
import type { MeshSettings } from '../../../common/sources/derive/mesh-settings.ts';
import { policyFromAuthorization } from '../../../common/sources/derive/policy-from-authorization.ts';
import type { AuthorizationResource } from '../../../common/sources/kinds/authorization-policy.ts';
import type { ServiceEntry } from '../../../common/sources/kinds/service-entry.ts';
import type { KubernetesObject } from '../../../common/sources/kubernetes-object.ts';
import { readResources } from '../../../common/sources/resources.ts';
import type { Condition, PlannedConditions } from './condition.ts';
import { type PolicyTargets, policyBinding } from './policy-binding.ts';
import { waypointBound } from './waypoint-bound.ts';

const ofService = 'istio-ambient-service';
const bound = 'istio.io/WaypointBound';
const missing = 'istio.io/WaypointMissing';

export function planConditions(
  objects: readonly KubernetesObject[],
  settings: MeshSettings,
): readonly PlannedConditions[] {
  const read = readResources(objects, settings.systemNamespace);
  const { derivation, resources } = startDerivation(read.resources, settings);
  const targets: PolicyTargets = {
    derivation,
    services: byName(resources.services),
    serviceEntries: byName(resources.serviceEntries),
    gatewayClasses: new Map(
      objects.flatMap((object) => (object.kind === 'GatewayClass' ? [[object.metadata.name, object]] : [])),
    ),
  };
  return [
    ...resources.services
      .filter(({ isExternalName }) => !isExternalName)
      .map(({ object }) => plan(object, ofService, [bound], waypointBound(object.metadata, 'service', derivation))),
    ...resources.serviceEntries.map((entry) => planServiceEntry(entry, derivation)),
    ...resources.workloadEntries.map(({ object, labels }) => {
      const condition = waypointBound({ ...object.metadata, labels }, 'workload', derivation);
      return plan(object, 'istio-ambient-workloadentry', [bound], condition);
    }),
    ...resources.authorizationPolicies.map((policy) => planPolicy(policy, targets)),
  ];
}

function planServiceEntry(entry: ServiceEntry, derivation: Derivation): PlannedConditions {
  const condition = waypointBound(entry.object.metadata, 'service', derivation);
  const conditions = condition === undefined ? [] : [condition];
  if (condition?.status !== 'True') conditions.push(...missingWaypoint(entry));
  return { object: entry.object, types: [bound, missing], fieldManager: ofService, conditions };
}

/** What does nothing without a waypoint. */
function missingWaypoint({ hosts, object }: ServiceEntry): readonly Condition[] {
  const told = { type: missing, status: 'True', observedGeneration: undefined } as const;
  if (hosts.some((host) => host.startsWith('*'))) {
    const message = 'ServiceEntry will not apply until it is bound to a valid waypoint.';
    return [{ ...told, reason: 'NoWaypointForWildcardService', message }];
  }
  if (object.metadata.annotations['istio.io/connect-strategy'] !== 'RACE_FIRST_TCP_CONNECT') return [];
  const message =
    'ServiceEntry has a non-default connect strategy but no waypoint bound. A waypoint is required for connect strategies to take effect for ambient clients.';
  return [{ ...told, reason: 'NoWaypointForRacingConnectStrategy', message }];
}

function planPolicy(policy: AuthorizationResource, targets: PolicyTargets): PlannedConditions {
  const { object } = policy;
  const observedGeneration = generationOf(object);
  const { acceptance } = policyFromAuthorization(policy, targets.derivation.settings);
  const types = ['ZtunnelAccepted', 'WaypointAccepted'];
  const isForWaypoint = acceptance === undefined;
  const [type, said] = isForWaypoint
    ? ['WaypointAccepted', policyBinding(policy, targets)]
    : ['ZtunnelAccepted', acceptance];
  const writer = isForWaypoint ? 'istio-ambient-waypoint-policy' : 'istio-ambient-ztunnel-policy';
  return { object, types, fieldManager: writer, conditions: [{ type, ...said, observedGeneration }] };
}

function plan(
  object: KubernetesObject,
  fieldManager: string,
  types: readonly string[],
  condition: Condition | undefined,
): PlannedConditions {
  return { object, types, fieldManager, conditions: condition === undefined ? [] : [condition] };
}

function generationOf({ raw }: KubernetesObject): number | undefined {
  const metadata = raw['metadata'];
  const generation =
    typeof metadata === 'object' && metadata !== null && 'generation' in metadata ? metadata.generation : undefined;
  return typeof generation === 'number' ? generation : undefined;
}

function byName<T extends { readonly object: KubernetesObject }>(resources: readonly T[]): ReadonlyMap<string, T> {
  return new Map(
    resources.map((resource) => {
      const { namespace, name } = resource.object.metadata;
      return [`${namespace}/${name}`, resource];
    }),
  );
}
