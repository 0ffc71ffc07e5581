// Authorization policies as istiod sends them: the bytes of `istio.security.Authorization` (ztunnel.md §6.7) in, the mesh's
// value out. What we could not evaluate as it is meant is refused: a match less would admit more.
import type {
  AuthorizationPolicy,
  PolicyMatch,
  PolicyRule,
  ServiceAccountMatch,
  StringMatch,
} from '../mesh/authorization-policy.ts';
import { type IpRange, rangeOf } from '../net/cidr.ts';
import { type Draft, readIp } from './gateway-codec.ts';
import {
  bool,
  bytes,
  choice,
  decodeMessage,
  type Field,
  type Fields,
  invalid,
  message,
  text,
  uint32,
  uint32s,
} from './protobuf-fields.ts';

export const authorizationTypeUrl = 'type.googleapis.com/istio.security.Authorization';

type MatchDraft = { -readonly [K in keyof PolicyMatch]: Extract<PolicyMatch[K], readonly unknown[]>[number][] };
type PolicyDraft = Draft<Omit<AuthorizationPolicy, 'rules'>> & { rules: PolicyRule[] };
type RuleDraft = MatchDraft[][];
type RangeDraft = { address: Uint8Array; length: number };
type StringDraft = { match: StringMatch | undefined };

function stringOf(kind: 'exact' | 'prefix' | 'suffix'): Field<StringDraft> {
  return text((draft, value) => {
    draft.match = { kind, value };
  });
}

const stringFields: Fields<StringDraft> = {
  1: stringOf('exact'),
  2: stringOf('prefix'),
  3: stringOf('suffix'),
  4: bytes((draft) => {
    draft.match = { kind: 'presence' };
  }),
};

function stringMatch<T>(put: (target: T, value: StringMatch) => void): Field<T> {
  return message(
    stringFields,
    () => ({ match: undefined }),
    (target, { match }) => {
      if (match === undefined) throw invalid('a string match is of a kind that is unknown');
      put(target, match);
    },
  );
}

const rangeFields: Fields<RangeDraft> = {
  1: bytes((range, value) => {
    range.address = value;
  }),
  2: uint32((range, value) => {
    range.length = value;
  }),
};

function ipRange<T>(put: (target: T, value: IpRange) => void): Field<T> {
  return message(
    rangeFields,
    () => ({ address: new Uint8Array(), length: 0 }),
    (target, { address, length }) => {
      const ip = readIp(address);
      const range = rangeOf(ip, length);
      if (range === undefined) throw invalid(`${ip}/${length} is no CIDR range`);
      put(target, range);
    },
  );
}

const accountFields: Fields<Draft<ServiceAccountMatch>> = {
  1: text((account, value) => {
    account.namespace = value;
  }),
  2: text((account, value) => {
    account.serviceAccount = value;
  }),
};

function serviceAccount<T>(put: (target: T, value: ServiceAccountMatch) => void): Field<T> {
  return message(accountFields, () => ({ namespace: '', serviceAccount: '' }), put);
}

/** A list comes into being with its first value: an absent one passes. */
function listed<V>(kind: (put: (target: MatchDraft, value: V) => void) => Field<MatchDraft>, key: KeyOf<V>) {
  return kind((match, value) => {
    const lists: Partial<Record<KeyOf<V>, V[]>> = match as object;
    const list = lists[key];
    if (list === undefined) lists[key] = [value];
    else list.push(value);
  });
}
/** The lists of a match whose values are of that type. */
type KeyOf<V> = {
  [K in keyof MatchDraft]-?: V[] extends NonNullable<MatchDraft[K]> ? K : never;
}[keyof MatchDraft];

const matchFields: Fields<MatchDraft> = {
  1: listed<StringMatch>(stringMatch, 'namespaces'),
  2: listed<StringMatch>(stringMatch, 'notNamespaces'),
  3: listed<StringMatch>(stringMatch, 'principals'),
  4: listed<StringMatch>(stringMatch, 'notPrincipals'),
  5: listed<IpRange>(ipRange, 'sourceIps'),
  6: listed<IpRange>(ipRange, 'notSourceIps'),
  7: listed<IpRange>(ipRange, 'destinationIps'),
  8: listed<IpRange>(ipRange, 'notDestinationIps'),
  9: listed<number>(uint32s, 'destinationPorts'),
  10: listed<number>(uint32s, 'notDestinationPorts'),
  11: listed<ServiceAccountMatch>(serviceAccount, 'serviceAccounts'),
  12: listed<ServiceAccountMatch>(serviceAccount, 'notServiceAccounts'),
};

const clauseFields: Fields<MatchDraft[]> = {
  2: message(
    matchFields,
    () => ({}),
    (clause, match) => void clause.push(match),
  ),
};

const ruleFields: Fields<RuleDraft> = {
  1: message(
    clauseFields,
    (): MatchDraft[] => [],
    (rule, clause) => void rule.push(clause),
  ),
};

const policyFields: Fields<PolicyDraft> = {
  1: text((policy, value) => {
    policy.name = value;
  }),
  2: text((policy, value) => {
    policy.namespace = value;
  }),
  3: choice('scope', ['global', 'namespace', 'workload-selector'], (policy, value) => {
    policy.scope = value;
  }),
  4: choice('action', ['allow', 'deny'], (policy, value) => {
    policy.action = value;
  }),
  5: message(
    ruleFields,
    (): RuleDraft => [],
    (policy, rule) => void policy.rules.push(rule),
  ),
  6: bool((policy, value) => {
    policy.dryRun = value;
  }),
};

/** @throws MeshError RESOURCE_INVALID */
export function decodeAuthorization(value: Uint8Array): AuthorizationPolicy {
  const draft: PolicyDraft = { name: '', namespace: '', scope: 'global', action: 'allow', rules: [], dryRun: false };
  const policy = decodeMessage(value, policyFields, draft, 'Authorization');
  if (policy.name === '') throw invalid('a policy has no name');
  return policy;
}
