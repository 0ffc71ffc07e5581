// One authorization policy of the standalone mode's YAML, in the form of config_dump (ztunnel.md §12, §13). A field in, the
// mesh's value out.
import type {
  AuthorizationPolicy,
  PolicyMatch,
  ServiceAccountMatch,
  StringMatch,
} from '../mesh/authorization-policy.ts';
import { type IpRange, parseCidr } from '../net/cidr.ts';
import type { Field } from '../sources/field.ts';

const scopes = { Global: 'global', Namespace: 'namespace', WorkloadSelector: 'workload-selector' } as const;
const policyMembers = ['name', 'namespace', 'scope', 'action', 'rules', 'dryRun'];

/** @throws MalformedField */
export function readLocalPolicy(field: Field): AuthorizationPolicy {
  field.onlyMembers(policyMembers);
  for (const name of policyMembers.slice(0, 5)) {
    if (field.at(name).isAbsent) throw field.at(name).malformed('a value', 'a policy needs it');
  }
  return {
    name: field.at('name').requiredText(),
    namespace: field.at('namespace').text(),
    scope: scopes[field.at('scope').oneOf(['Global', 'Namespace', 'WorkloadSelector']) ?? 'Global'],
    action: field.at('action').oneOf(['Allow', 'Deny']) === 'Deny' ? 'deny' : 'allow',
    rules: field
      .at('rules')
      .items()
      .map((rule) => rule.items().map((clause) => clause.items().map(readMatch))),
    dryRun: field.at('dryRun').flag(),
  };
}

/** Empty and absent lists are the same: they pass. */
const listReaders = {
  namespaces: readStringMatch,
  notNamespaces: readStringMatch,
  principals: readStringMatch,
  notPrincipals: readStringMatch,
  serviceAccounts: readServiceAccount,
  notServiceAccounts: readServiceAccount,
  sourceIps: readRange,
  notSourceIps: readRange,
  destinationIps: readRange,
  notDestinationIps: readRange,
  destinationPorts: readPort,
  notDestinationPorts: readPort,
} satisfies { [K in keyof PolicyMatch]-?: (field: Field) => NonNullable<PolicyMatch[K]>[number] };

function readMatch(field: Field): PolicyMatch {
  field.onlyMembers(Object.keys(listReaders));
  const lists = Object.entries(listReaders).flatMap(([name, read]) => {
    const items = field.at(name).items();
    return items.length === 0 ? [] : [[name, items.map((item) => read(item))] as const];
  });
  return Object.fromEntries(lists);
}

function readStringMatch(field: Field): StringMatch {
  field.onlyMembers(['Exact', 'Prefix', 'Suffix', 'Presence']);
  for (const kind of ['exact', 'prefix', 'suffix'] as const) {
    const value = field.at(kind.charAt(0).toUpperCase() + kind.slice(1));
    if (!value.isAbsent) return { kind, value: value.text() };
  }
  if (field.at('Presence').isAbsent)
    throw field.malformed('a match', 'write {Exact: text}, Prefix, Suffix or Presence');
  return { kind: 'presence' };
}

function readServiceAccount(field: Field): ServiceAccountMatch {
  field.onlyMembers(['namespace', 'serviceAccount']);
  return { namespace: field.at('namespace').text(), serviceAccount: field.at('serviceAccount').requiredText() };
}

function readRange(field: Field): IpRange {
  const range = parseCidr(field.text());
  if (range === undefined) throw field.malformed('a CIDR range', 'write it as 10.0.0.0/8');
  return range;
}

function readPort(field: Field): number {
  return field.requiredPort();
}
