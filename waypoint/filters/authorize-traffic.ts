// May this request or connection pass the waypoint? In: the policies that are for it, and its facts. Out: a permit, or a denial that names the
// policy and rule as Envoy's response code details do. Source: waypoint-telemetry.md §8.8.
import { describeConnection } from '../../common/mesh/match-policy.ts';
import type { AttachedPolicy } from '../resources/authorization.ts';
import type { TrafficFacts } from '../resources/traffic-condition.ts';

export type TrafficVerdict =
  | { readonly kind: 'permit' }
  /** `details`: for %RESPONSE_CODE_DETAILS%; `reason`: for people. */
  | { readonly kind: 'deny'; readonly details: string; readonly reason: string };

/** How many policies a reason names, and how much of what a client sent. */
const maxNamed = 3;
const longestShown = 300;

export function authorizeTraffic(policies: readonly AttachedPolicy[], facts: TrafficFacts): TrafficVerdict {
  for (const policy of policies) {
    if (policy.action !== 'deny') continue;
    const rule = matchingRule(policy, facts);
    if (rule === undefined) continue;
    const { name, namespace } = policy;
    return {
      kind: 'deny',
      details: `rbac_access_denied_matched_policy[ns[${namespace}]-policy[${name}]-rule[${rule}]]`,
      reason: `explicitly denied by: ${namespace}/${name} (rule ${rule + 1}); ${describe(facts)}`,
    };
  }
  const allows = policies.filter(({ action }) => action === 'allow');
  if (allows.length === 0 || allows.some((policy) => matchingRule(policy, facts) !== undefined)) {
    return { kind: 'permit' };
  }
  const named = allows.slice(0, maxNamed).map(({ namespace, name }) => `${namespace}/${name}`);
  const more = allows.length > named.length ? ` and ${allows.length - named.length} more` : '';
  return {
    kind: 'deny',
    details: 'rbac_access_denied_matched_policy[none]',
    reason: `allow policies exist, but none allowed (${named.join(', ')}${more}); ${describe(facts)}`,
  };
}

/** Counted from 0, as Envoy names them. */
function matchingRule({ rules, action }: AttachedPolicy, facts: TrafficFacts): number | undefined {
  const index = rules.findIndex((rule) => rule?.(facts, action));
  return index < 0 ? undefined : index;
}

function describe(facts: TrafficFacts): string {
  const { http } = facts;
  const connection = describeConnection(facts);
  if (http === undefined) return connection;
  const asked = `${http.method} ${http.path}`.slice(0, longestShown);
  return `${asked} of ${connection}`;
}
