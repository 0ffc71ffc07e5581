// An AuthorizationPolicy as its author wrote it: where it attaches, what it does, its rules with every attribute.
// Strict on purpose: a misspelt or empty restriction makes the policy unreadable, so that it can be failed closed.
import { Field, MalformedField } from '../field.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import type { Labels } from './label-selector.ts';

const positiveSources = [
  'principals',
  'namespaces',
  'ipBlocks',
  'serviceAccounts',
  'trustDomains',
  'requestPrincipals',
  'remoteIpBlocks',
] as const;
const positiveOperations = ['ports', 'hosts', 'methods', 'paths'] as const;

export type Attribute = (typeof positiveSources)[number] | (typeof positiveOperations)[number];

/** One attribute with the values of which one must match and those of which none may. */
export interface Restriction<Name extends string = string> {
  readonly name: Name;
  readonly values: readonly string[];
  readonly notValues: readonly string[];
}

export interface AuthorizationRule {
  /** Each entry: all of its restrictions must hold; of the entries, one. */
  readonly from: readonly (readonly Restriction<Attribute>[])[];
  readonly to: readonly (readonly Restriction<Attribute>[])[];
  /** Conditions by key; all must hold. */
  readonly when: readonly Restriction[];
}

export type PolicyAttachment =
  | { readonly kind: 'target-refs' }
  | { readonly kind: 'namespace' }
  | { readonly kind: 'selector'; readonly labels: Labels };

export type PolicyBody =
  | { readonly kind: 'unreadable' }
  | {
      readonly kind: 'rules';
      readonly action: 'ALLOW' | 'DENY' | 'AUDIT' | 'CUSTOM';
      readonly rules: readonly AuthorizationRule[];
    };

export interface AuthorizationResource {
  readonly object: KubernetesObject;
  readonly attachment: PolicyAttachment;
  readonly body: PolicyBody;
}

/** @throws MalformedField */
export function parseAuthorizationPolicy(object: KubernetesObject): AuthorizationResource {
  const spec = new Field('spec', object.spec);
  spec.onlyMembers(['selector', 'targetRef', 'targetRefs', 'action', 'rules', 'provider']);
  spec.at('selector').onlyMembers(['matchLabels']);
  const action = spec.at('action').oneOf(['ALLOW', 'DENY', 'AUDIT', 'CUSTOM'] as const) ?? 'ALLOW';
  return {
    object,
    attachment: parseAttachment(spec),
    body: { kind: 'rules', action, rules: spec.at('rules').items().map(parseRule) },
  };
}

/** The same policy when its body cannot be read: it attaches where it says, or to the whole namespace where that is unclear too. */
export function unreadableAuthorizationPolicy(object: KubernetesObject): AuthorizationResource {
  const body: PolicyBody = { kind: 'unreadable' };
  try {
    return { object, attachment: parseAttachment(new Field('spec', object.spec)), body };
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    return { object, attachment: { kind: 'namespace' }, body };
  }
}

function parseAttachment(spec: Field): PolicyAttachment {
  if (!spec.at('targetRef').isAbsent || spec.at('targetRefs').items().length > 0) return { kind: 'target-refs' };
  const selector = spec.at('selector');
  if (selector.isAbsent) return { kind: 'namespace' };
  return { kind: 'selector', labels: selector.at('matchLabels').textMap() };
}

function parseRule(rule: Field): AuthorizationRule {
  rule.onlyMembers(['from', 'to', 'when']);
  return {
    from: parseEntries(rule.at('from'), 'source', positiveSources),
    to: parseEntries(rule.at('to'), 'operation', positiveOperations),
    when: rule.at('when').items().map(parseCondition),
  };
}

function parseEntries(
  list: Field,
  member: 'source' | 'operation',
  names: readonly Attribute[],
): AuthorizationRule['from'] {
  return list.items().map((entry) => {
    entry.onlyMembers([member]);
    const field = entry.at(member);
    field.onlyMembers(names.flatMap((name) => [name, negated(name)]));
    const restrictions = names
      .map((name) => ({ name, values: field.at(name).texts(), notValues: field.at(negated(name)).texts() }))
      .filter(({ values, notValues }) => values.length + notValues.length > 0);
    if (restrictions.length === 0) {
      throw new MalformedField(field.path, 'restricts nothing', `give it one of ${names.join(', ')}`);
    }
    return restrictions;
  });
}

function parseCondition(condition: Field): Restriction {
  condition.onlyMembers(['key', 'values', 'notValues']);
  const key = condition.at('key');
  if (!/^(source|destination|request|connection|remote|experimental)\./.test(key.requiredText())) {
    throw key.malformed('an attribute of conditions', 'use one such as source.ip or destination.port');
  }
  const restriction = {
    name: key.text(),
    values: condition.at('values').texts(),
    notValues: condition.at('notValues').texts(),
  };
  if (restriction.values.length + restriction.notValues.length > 0) return restriction;
  throw new MalformedField(condition.path, 'has neither values nor notValues', 'give it one of them');
}

function negated(name: Attribute): string {
  return `not${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}
