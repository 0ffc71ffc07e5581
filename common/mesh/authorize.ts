// May this connection be made? In: the connection and the policies of its destination (`MeshView.policiesFor`).
// Out: a permit or a denial that names the policy, and what dry-run policies would have said. Source: ztunnel.md §8.
// Unlike ztunnel, a policy that the workload names but nobody has sent denies (istio-control.md §0.7).
import { type AuthorizationPolicy, policyKey } from './authorization-policy.ts';
import { type AuthorizationFacts, describeConnection, explainMismatch, matchingRule } from './match-policy.ts';

export interface ApplicablePolicies {
  readonly policies: readonly AuthorizationPolicy[];
  /** Keys of policies that should apply and are not known. */
  readonly unknown: readonly string[];
}

/** What a dry-run policy would have done. */
export interface DryRunFinding {
  readonly policy: string;
  readonly outcome: 'deny-matches' | 'allow-matches' | 'allow-does-not-match';
}

export interface Permit {
  readonly kind: 'permit';
  /** Key of the ALLOW policy that matched; undefined when there is none to satisfy. */
  readonly policy: string | undefined;
  readonly detail: string;
  readonly dryRun: readonly DryRunFinding[];
}

export interface Denial {
  readonly kind: 'deny';
  readonly reason: 'deny-policy-matched' | 'no-allow-policy-matched' | 'policy-unknown';
  /** Keys of the policies that decided: the DENY policy, all ALLOW policies, or the unknown ones. */
  readonly policies: readonly string[];
  readonly detail: string;
  readonly dryRun: readonly DryRunFinding[];
}

export type Verdict = Permit | Denial;

/** How many policies a detail speaks of. */
const maxExplainedPolicies = 3;

export function authorize(facts: AuthorizationFacts, { policies, unknown }: ApplicablePolicies): Verdict {
  const dryRun = findDryRuns(facts, policies);
  const allows: AuthorizationPolicy[] = [];
  for (const policy of policies) {
    if (policy.dryRun) continue;
    if (policy.action === 'allow') {
      allows.push(policy);
      continue;
    }
    const rule = matchingRule(policy, facts);
    if (rule === undefined) continue;
    const key = policyKey(policy);
    const detail = `explicitly denied by: ${key} (rule ${rule}); ${describeConnection(facts)}`;
    return { kind: 'deny', reason: 'deny-policy-matched', policies: [key], detail, dryRun };
  }
  if (unknown.length > 0) {
    const detail = `the destination is bound to a policy that is not known (yet): ${listKeys(unknown)}; ${describeConnection(facts)}`;
    return { kind: 'deny', reason: 'policy-unknown', policies: unknown, detail, dryRun };
  }
  if (allows.length === 0) return { kind: 'permit', policy: undefined, detail: 'no allow policies, allow', dryRun };
  for (const policy of allows) {
    const rule = matchingRule(policy, facts);
    if (rule === undefined) continue;
    const key = policyKey(policy);
    return { kind: 'permit', policy: key, detail: `allowed by: ${key} (rule ${rule})`, dryRun };
  }
  return {
    kind: 'deny',
    reason: 'no-allow-policy-matched',
    policies: allows.map(policyKey),
    detail: explainNoneAllowed(facts, allows),
    dryRun,
  };
}

function findDryRuns(facts: AuthorizationFacts, policies: readonly AuthorizationPolicy[]): readonly DryRunFinding[] {
  const findings: DryRunFinding[] = [];
  for (const policy of policies) {
    if (!policy.dryRun) continue;
    const matches = matchingRule(policy, facts) !== undefined;
    if (policy.action === 'deny' && !matches) continue;
    const ofAllow = matches ? 'allow-matches' : 'allow-does-not-match';
    findings.push({ policy: policyKey(policy), outcome: policy.action === 'deny' ? 'deny-matches' : ofAllow });
  }
  return findings;
}

function explainNoneAllowed(facts: AuthorizationFacts, allows: readonly AuthorizationPolicy[]): string {
  const shown = allows.slice(0, maxExplainedPolicies);
  const reasons = shown.map((policy) => `${policyKey(policy)}: ${explainMismatch(policy, facts)}`);
  if (allows.length > shown.length) reasons.push(`and ${allows.length - shown.length} more policies`);
  return `allow policies exist, but none allowed (${reasons.join('; ')}); ${describeConnection(facts)}`;
}

function listKeys(keys: readonly string[]): string {
  const shown = keys.slice(0, maxExplainedPolicies).join(', ');
  return keys.length > maxExplainedPolicies ? `${shown} and ${keys.length - maxExplainedPolicies} more` : shown;
}
