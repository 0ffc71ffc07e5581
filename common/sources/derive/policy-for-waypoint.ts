// The policies by which workloads admit their waypoints without being told to, where Istio's feature for it is on.
// PILOT_AUTO_ALLOW_WAYPOINT_POLICY, fixture 71.
import { type AuthorizationPolicy, policyKey } from '../../mesh/authorization-policy.ts';
import type { Derivation } from './derivation.ts';
import type { Waypoint } from './waypoint.ts';

export function policyForWaypoint(waypoint: Waypoint, derivation: Derivation): AuthorizationPolicy | undefined {
  const { settings, waypointAccounts } = derivation;
  if (settings.waypointAdmission !== 'automatic') return undefined;
  const accounts = (waypointAccounts.get(`${waypoint.namespace}/${waypoint.name}`) ?? []).map(
    (account) => `${settings.trustDomain}/ns/${waypoint.namespace}/sa/${account}`,
  );
  if (accounts.length === 0) return undefined;
  const principals = [...new Set(accounts)].sort().map((value) => ({ kind: 'exact', value }) as const);
  return {
    name: `istio_allow_waypoint_${waypoint.namespace}_${waypoint.name}`,
    namespace: waypoint.namespace,
    scope: 'workload-selector',
    action: 'allow',
    rules: [[[{ principals }]]],
    dryRun: false,
  };
}

/** Keys of the policies for the waypoints that stand before a workload: its own and those of its services. */
export function waypointPolicyKeys(waypoints: readonly Waypoint[], derivation: Derivation): readonly string[] {
  const policies = waypoints.flatMap((waypoint) => policyForWaypoint(waypoint, derivation) ?? []);
  return [...new Set(policies.map(policyKey))].sort();
}
