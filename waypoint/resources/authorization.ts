// Reads the AuthorizationPolicies that are for waypoints: those with targetRefs. In: a Kubernetes object. Out: the policy with its rules as conditions,
// and problems that name object and field. What cannot be read or told here never widens access. Source: waypoint-telemetry.md §8.8.

import { parseBooleanText } from '../../common/sources/derive/boolean-text.ts';
import { Field, MalformedField } from '../../common/sources/field.ts';
import { type AuthorizationRule, parseAuthorizationPolicy } from '../../common/sources/kinds/authorization-policy.ts';
import { type KubernetesObject, problemWith } from '../../common/sources/kubernetes-object.ts';
import type { ResourceProblem } from '../../common/sources/resource-problem.ts';
import { parseAttachment, type TargetReference } from './attachment.ts';
import { type ConditionReader, conditionReader, type TrafficCondition } from './traffic-condition.ts';

export interface AttachedPolicy {
  readonly name: string;
  readonly namespace: string;
  readonly targets: readonly TargetReference[];
  readonly action: 'allow' | 'deny';
  /** One of them must hold. A rule that nothing can match is undefined, so that rules keep their numbers. */
  readonly rules: readonly (TrafficCondition | undefined)[];
}

export interface ParsedAuthorization {
  /** Undefined: not for waypoints, or not to be enforced. */
  readonly policy: AttachedPolicy | undefined;
  readonly problems: readonly ResourceProblem[];
}

const notHere: ParsedAuthorization = { policy: undefined, problems: [] };
const always: TrafficCondition = () => true;

export function parseAuthorization(object: KubernetesObject): ParsedAuthorization {
  const { name, namespace, annotations } = object.metadata;
  const problems: ResourceProblem[] = [];
  const tell = ({ path: field, message, remedy }: MalformedField): void => {
    problems.push(problemWith(object, { severity: 'error', field, message, remedy }));
  };
  const spec = new Field('spec', object.spec);
  if (spec.at('targetRef').isAbsent && spec.at('targetRefs').isAbsent) return notHere;
  if (parseBooleanText(annotations['istio.io/dry-run']) === true) return notHere;
  try {
    const attachment = parseAttachment(spec, namespace);
    if (attachment.kind !== 'targets') return notHere;
    const base = { name, namespace, targets: attachment.targets };
    try {
      const rules = rulesOf(object, (problem) => problems.push(problem));
      return { policy: rules && { ...base, ...rules }, problems };
    } catch (error) {
      if (!(error instanceof MalformedField)) throw error;
      tell(error);
      return { policy: { ...base, action: 'deny', rules: [always] }, problems };
    }
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    tell(error);
    return { policy: undefined, problems };
  }
}

/** @throws MalformedField */
function rulesOf(
  object: KubernetesObject,
  onProblem: (problem: ResourceProblem) => void,
): Pick<AttachedPolicy, 'action' | 'rules'> | undefined {
  const { body } = parseAuthorizationPolicy(object);
  if (body.kind === 'unreadable' || body.action === 'AUDIT') return undefined;
  if (body.action === 'CUSTOM') {
    const message = 'is CUSTOM: external authorizers are not asked here, so that what its rules match is denied';
    const remedy = 'write it as ALLOW or DENY';
    onProblem(problemWith(object, { severity: 'warning', field: 'spec.action', message, remedy }));
  }
  const action = body.action === 'ALLOW' ? 'allow' : 'deny';
  const untold = new Set<string>();
  const read = conditionReader(object.metadata.namespace, (name) => untold.add(name));
  const rules = body.rules.map((rule) => ruleOf(rule, action, read));
  if (untold.size > 0) {
    const consequence =
      action === 'allow' ? 'rules with them match nothing' : 'they count as matched, so that rules with them deny more';
    const message = `holds what cannot be told here: ${[...untold].join(', ')}; ${consequence}`;
    onProblem(
      problemWith(object, { severity: 'warning', field: 'spec.rules', message, remedy: 'mend or leave them out' }),
    );
  }
  return { action, rules };
}

/** Undefined where a part of it cannot be told and it would admit. */
function ruleOf(
  rule: AuthorizationRule,
  action: 'allow' | 'deny',
  read: ConditionReader,
): TrafficCondition | undefined {
  const lists = [rule.from, rule.to].filter((list) => list.length > 0);
  const clauses = [...lists, ...rule.when.map((condition) => [[condition]])].map((entries) =>
    entries.map((entry) =>
      allOf(
        entry.map((restriction) => read(restriction)),
        action,
      ),
    ),
  );
  const conditions = clauses.map((entries) => {
    const possible = entries.filter((entry) => entry !== undefined);
    return possible.length === 0 ? undefined : anyOf(possible);
  });
  return conditions.includes(undefined) ? undefined : allOf(conditions, action);
}

function allOf(
  conditions: readonly (TrafficCondition | undefined)[],
  action: 'allow' | 'deny',
): TrafficCondition | undefined {
  if (action === 'allow' && conditions.includes(undefined)) return undefined;
  const told = conditions.filter((condition) => condition !== undefined);
  return (facts) => told.every((condition) => condition(facts, action));
}

function anyOf(conditions: readonly TrafficCondition[]): TrafficCondition {
  return (facts, action) => conditions.some((condition) => condition(facts, action));
}
