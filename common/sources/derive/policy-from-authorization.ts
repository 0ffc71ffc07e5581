// AuthorizationPolicy → the policy ztunnel enforces, with what it cannot enforce told as problems.
// What cannot be read never widens access: in ALLOW it matches nothing, in DENY the whole policy denies everything.
// Source: istio-control.md §4.2, §4.3, fixtures 40 to 47, 70.
import type { AuthorizationPolicy, PolicyClause, PolicyMatch, PolicyRule } from '../../mesh/authorization-policy.ts';
import type { AuthorizationResource, AuthorizationRule, Restriction } from '../kinds/authorization-policy.ts';
import { problemWith } from '../kubernetes-object.ts';
import type { ResourceProblem } from '../resource-problem.ts';
import { parseBooleanText } from './boolean-text.ts';
import type { MeshSettings } from './mesh-settings.ts';
import { isLayer4, isUnsupported, readRestriction } from './policy-values.ts';

export interface ConvertedPolicy {
  /** Undefined: not for the ztunnel. */
  readonly policy: AuthorizationPolicy | undefined;
  /** What the condition `ZtunnelAccepted` says, in istiod's words where it has some; undefined for a policy with targetRefs. */
  readonly acceptance: PolicyAcceptance | undefined;
  readonly problems: readonly ResourceProblem[];
}

export interface PolicyAcceptance {
  readonly status: 'True' | 'False';
  readonly reason: 'Accepted' | 'UnsupportedValue' | 'Invalid';
  readonly message: string;
}

const denyEverything: readonly PolicyRule[] = [[]];
const matchesNothing: PolicyMatch = {};

export function policyFromAuthorization(resource: AuthorizationResource, settings: MeshSettings): ConvertedPolicy {
  const { object, attachment, body } = resource;
  const { name, namespace, annotations } = object.metadata;
  if (attachment.kind === 'target-refs') return { policy: undefined, acceptance: undefined, problems: [] };
  const wantsDryRun = parseBooleanText(annotations['istio.io/dry-run']) === true;
  if (wantsDryRun && settings.dryRunPolicies === 'ignored') {
    const message = `found policy "${namespace}/${name}" using dry-run annotation, but support for ambient dry-run authorizationPolicies isn't enabled`;
    const remedy = 'the policy is not used; remove the annotation istio.io/dry-run to enforce it';
    return ignored(resource, message, remedy);
  }
  const scope =
    attachment.kind === 'selector'
      ? 'workload-selector'
      : namespace === settings.rootNamespace
        ? 'global'
        : 'namespace';
  const base = { name, namespace, scope, dryRun: wantsDryRun } as const;
  const deniesEverything = { ...base, action: 'deny', rules: denyEverything } as const;
  if (body.kind === 'unreadable') {
    const message = 'the policy cannot be read; everything it applies to is denied until it is mended';
    return { policy: deniesEverything, acceptance: { status: 'False', reason: 'Invalid', message }, problems: [] };
  }
  if (body.action !== 'ALLOW' && body.action !== 'DENY') {
    const remedy = 'bind the policy to a waypoint with targetRefs; ztunnel does not use it';
    return ignored(resource, `ztunnel does not support the ${body.action} action`, remedy);
  }
  const unreadable = new Set<string>();
  const action = body.action === 'DENY' ? 'deny' : 'allow';
  const rules = body.rules
    .map((rule) => convertRule(rule, action, namespace, unreadable))
    .filter((rule) => rule !== undefined);
  const http = httpProblems(resource, action, rules);
  const lost = unreadableProblems(resource, action, unreadable);
  const problems = [...lost, ...unsupportedProblems(resource, action), ...http];
  if (action === 'deny' && unreadable.size > 0) {
    return { policy: deniesEverything, acceptance: acceptanceOf(lost), problems };
  }
  return { policy: { ...base, action, rules }, acceptance: acceptanceOf(http), problems };
}

/** Undefined for an ALLOW rule with HTTP attributes: it is dropped whole, so that it admits no more than was meant. */
function convertRule(
  rule: AuthorizationRule,
  action: 'allow' | 'deny',
  namespace: string,
  unreadable: Set<string>,
): PolicyRule | undefined {
  if (action === 'allow' && httpAttributesOf(rule).length > 0) return undefined;
  const convert = (entry: readonly Restriction[]): PolicyMatch => convertEntry(entry, action, namespace, unreadable);
  const to: PolicyClause = rule.to.map(convert);
  const from: PolicyClause = rule.from.map(convert);
  const when: PolicyClause[] = rule.when.map((condition) => [convert([condition])]);
  return [...(to.length > 0 ? [to] : []), ...(from.length > 0 ? [from] : []), ...when];
}

function convertEntry(
  entry: readonly Restriction[],
  action: 'allow' | 'deny',
  namespace: string,
  unreadable: Set<string>,
): PolicyMatch {
  let match: PolicyMatch = {};
  let isClosed = false;
  for (const restriction of entry) {
    if (isUnsupported(restriction.name)) isClosed = true;
    const read = readRestriction(restriction, namespace);
    if (read === undefined) continue;
    match = { ...match, ...read.match };
    for (const text of [...read.unreadableValues, ...read.unreadableNotValues]) unreadable.add(text);
    const losesAllValues =
      read.unreadableValues.length > 0 && read.unreadableValues.length === restriction.values.length;
    if (losesAllValues || read.unreadableNotValues.length > 0) isClosed = true;
  }
  return action === 'allow' && isClosed ? matchesNothing : match;
}

/** The names under which istiod reports them, in order, each once. */
function httpAttributesOf(rule: AuthorizationRule): readonly string[] {
  const written = [...rule.from, ...rule.to].flat().filter(({ name }) => !isLayer4(name));
  const conditions = rule.when.filter(({ name }) => !isLayer4(name));
  return [...new Set([...written.flatMap(writtenNames), ...conditions.map(({ name }) => name)])].sort();
}

function writtenNames({ name, values, notValues }: Restriction): readonly string[] {
  const negated = `not${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  return [...(values.length > 0 ? [name] : []), ...(notValues.length > 0 ? [negated] : [])];
}

function httpProblems(
  resource: AuthorizationResource,
  action: 'allow' | 'deny',
  rules: readonly PolicyRule[],
): readonly ResourceProblem[] {
  const written = resource.body.kind === 'rules' ? resource.body.rules : [];
  const found = [...new Set(written.flatMap(httpAttributesOf))].sort();
  if (found.length === 0) return [];
  const hasEffect = rules.some((rule) => rule.every((clause) => clause.some((match) => Object.keys(match).length > 0)));
  const consequence =
    action === 'allow'
      ? 'Within an ALLOW policy, rules matching HTTP attributes are omitted. This will be more restrictive than requested.'
      : hasEffect
        ? 'DENY policy with HTTP attributes is enforced without the HTTP rules. This will be more restrictive than requested.'
        : 'After omitting unsupported HTTP attributes, this DENY policy has no enforceable rules at ztunnel and will have no effect. Deploy a waypoint proxy and use a targetRef to enforce this policy.';
  const message = `ztunnel does not support HTTP attributes (found: ${found.join(', ')}). In ambient mode you must use a waypoint proxy to enforce HTTP rules. ${consequence}`;
  const remedy = 'deploy a waypoint and bind the policy to it with targetRefs';
  return [problemWith(resource.object, { severity: 'warning', message, remedy })];
}

function unsupportedProblems(resource: AuthorizationResource, action: 'allow' | 'deny'): readonly ResourceProblem[] {
  const rules = resource.body.kind === 'rules' ? resource.body.rules : [];
  const restrictions = rules.flatMap(({ from }) => from.flat());
  if (!restrictions.some(({ name }) => isUnsupported(name))) return [];
  const message = 'ztunnel does not support trustDomains and notTrustDomains';
  const consequence = action === 'allow' ? 'a source that has them matches nothing' : 'the rule counts without them';
  const remedy = `write principals with their trust domain instead (${consequence} until then)`;
  return [problemWith(resource.object, { severity: 'warning', field: 'spec.rules', message, remedy })];
}

function unreadableProblems(
  resource: AuthorizationResource,
  action: 'allow' | 'deny',
  unreadable: ReadonlySet<string>,
): readonly ResourceProblem[] {
  if (unreadable.size === 0) return [];
  const listed = [...unreadable].map((text) => JSON.stringify(text)).join(', ');
  const message = `holds values that cannot be read: ${listed}`;
  const consequence = action === 'allow' ? 'they match nothing until then' : 'the policy denies everything until then';
  const remedy = `write addresses, ports from 0 to 65535 or [namespace/]accounts there (${consequence})`;
  return [problemWith(resource.object, { severity: 'error', field: 'spec.rules', message, remedy })];
}

function ignored(resource: AuthorizationResource, message: string, remedy: string): ConvertedPolicy {
  const problems = [problemWith(resource.object, { severity: 'warning', message, remedy })];
  return { policy: undefined, acceptance: { status: 'False', reason: 'UnsupportedValue', message }, problems };
}

function acceptanceOf([first]: readonly ResourceProblem[]): PolicyAcceptance {
  if (first === undefined) return { status: 'True', reason: 'Accepted', message: 'attached to ztunnel' };
  return { status: 'True', reason: 'UnsupportedValue', message: first.message };
}
