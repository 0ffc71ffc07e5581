// Whether a connection is what a policy talks about. OR of rules, AND of clauses, OR of matches, AND across the fields
// of a match; a field passes when one of its list fits and none of its `not` list. Source: ztunnel.md §8.
import type { Identity } from '../identity/identity.ts';
import { formatSocketAddress, type SocketAddress } from '../net/address.ts';
import { contains } from '../net/cidr.ts';
import type { AuthorizationPolicy, PolicyMatch, PolicyRule, StringMatch } from './authorization-policy.ts';

export interface AuthorizationFacts {
  /** The client as the TCP connection shows it. */
  readonly source: SocketAddress;
  /** The workload's own address and the port that is connected to, not the service's. */
  readonly destination: SocketAddress;
  /** From the client's verified certificate; undefined for plain text. */
  readonly identity: Identity | undefined;
}

type Field =
  | 'destination address'
  | 'source address'
  | 'destination port'
  | 'service account'
  | 'principal'
  | 'namespace';

const spiffePrefix = 'spiffe://';
/** How many rules an explanation speaks of. */
const maxExplainedRules = 3;

/** The number of the first rule that matches, counted from 1; undefined when none does. */
export function matchingRule(policy: AuthorizationPolicy, facts: AuthorizationFacts): number | undefined {
  const index = policy.rules.findIndex((rule) => firstFailingClause(rule, facts) === undefined);
  return index < 0 ? undefined : index + 1;
}

/** For a policy that does not match: which fields of the connection each rule (the first few) did not accept. */
export function explainMismatch(policy: AuthorizationPolicy, facts: AuthorizationFacts): string {
  if (policy.rules.length === 0) return 'it has no rules';
  const reasons: string[] = [];
  for (const [index, rule] of policy.rules.slice(0, maxExplainedRules).entries()) {
    const clause = firstFailingClause(rule, facts) ?? [];
    const fields = new Set(clause.map((match) => failingField(match, facts)).filter((field) => field !== undefined));
    const values = [...fields].map((field) => describe(field, facts));
    reasons.push(`rule ${index + 1} does not accept ${values.length === 0 ? 'anything' : values.join(' or ')}`);
  }
  const more = policy.rules.length - reasons.length;
  return reasons.join(', ') + (more > 0 ? `, nor do ${more} more rules` : '');
}

/** Undefined when every clause accepts. A rule without clauses, and a clause without matches, accept everything. */
function firstFailingClause(rule: PolicyRule, facts: AuthorizationFacts): readonly PolicyMatch[] | undefined {
  return rule.find((clause) => clause.length > 0 && !clause.some((match) => isMatch(match, facts)));
}

/** Absent lists pass; a match without any list never does. */
export function isMatch(match: PolicyMatch, facts: AuthorizationFacts): boolean {
  return !isEmpty(match) && failingField(match, facts) === undefined;
}

/** The first field that does not pass. */
function failingField(match: PolicyMatch, facts: AuthorizationFacts): Field | undefined {
  const { source, destination } = facts;
  if (!passes(match.destinationIps, match.notDestinationIps, contains, destination.ip)) return 'destination address';
  if (!passes(match.sourceIps, match.notSourceIps, contains, source.ip)) return 'source address';
  if (!passes(match.destinationPorts, match.notDestinationPorts, isSame, destination.port)) return 'destination port';
  const { identity } = facts;
  if (!passes(match.serviceAccounts, match.notServiceAccounts, isAccountOf, identity)) return 'service account';
  const principal = identity?.uri.slice(spiffePrefix.length);
  if (!passes(match.principals, match.notPrincipals, isPrincipal, principal)) return 'principal';
  if (!passes(match.namespaces, match.notNamespaces, isTextMatch, identity?.namespace ?? '')) return 'namespace';
  return undefined;
}

/** An absent or empty list passes. */
function passes<T, V>(
  wanted: readonly T[] | undefined,
  unwanted: readonly T[] | undefined,
  fits: (condition: T, value: V) => boolean,
  value: V,
): boolean {
  if (wanted !== undefined && wanted.length > 0 && !anyFits(wanted, fits, value)) return false;
  return unwanted === undefined || !anyFits(unwanted, fits, value);
}

/** Every connection comes here, so that nothing is made. */
function anyFits<T, V>(conditions: readonly T[], fits: (condition: T, value: V) => boolean, value: V): boolean {
  for (const condition of conditions) if (fits(condition, value)) return true;
  return false;
}

function isSame(wanted: number, port: number): boolean {
  return wanted === port;
}

function isAccountOf(
  account: { readonly namespace: string; readonly serviceAccount: string },
  identity: Identity | undefined,
): boolean {
  return account.namespace === identity?.namespace && account.serviceAccount === identity.serviceAccount;
}

/** Without an identity no principal fits, not even in a `not` list: that is how a DENY policy refuses plain text. */
function isPrincipal(wanted: StringMatch, principal: string | undefined): boolean {
  return principal !== undefined && isTextMatch(wanted, principal);
}

function isEmpty(match: PolicyMatch): boolean {
  for (const name in match) {
    const list = match[name as keyof PolicyMatch];
    if (list !== undefined && list.length > 0) return false;
  }
  return true;
}

export function isTextMatch(match: StringMatch, text: string): boolean {
  switch (match.kind) {
    case 'exact':
      return text === match.value;
    case 'prefix':
      return text.startsWith(match.value);
    case 'suffix':
      return text.endsWith(match.value);
    case 'presence':
      return text !== '';
  }
}

function describe(field: Field, facts: AuthorizationFacts): string {
  const { source, destination, identity } = facts;
  switch (field) {
    case 'destination address':
      return `destination address ${destination.ip}`;
    case 'source address':
      return `source address ${source.ip}`;
    case 'destination port':
      return `destination port ${destination.port}`;
    case 'service account':
      return identity ? `service account ${identity.namespace}/${identity.serviceAccount}` : 'plain text';
    case 'principal':
      return identity ? `principal ${identity.uri}` : 'plain text';
    case 'namespace':
      return identity ? `client namespace ${identity.namespace}` : 'plain text';
  }
}

/** Who wants to connect to what, for people. */
export function describeConnection(facts: AuthorizationFacts): string {
  const client = facts.identity?.uri ?? 'no identity (plain text)';
  return `client ${facts.source.ip} with ${client}, destination ${formatSocketAddress(facts.destination)}`;
}
