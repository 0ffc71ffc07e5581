// Values of AuthorizationPolicies → matchers: strings with `*`, address ranges, ports, service accounts.
// Values that cannot be read are counted apart; the caller decides what that means for its policy.

import type { IpRange, PolicyMatch, ServiceAccountMatch, StringMatch } from '../../mesh/authorization-policy.ts';
import { parseIp, parsePort } from '../../net/address.ts';
import { parseCidr } from '../../net/cidr.ts';

interface ReadValues<Value> {
  readonly values: readonly Value[];
  readonly unreadable: readonly string[];
}

/** What a restriction becomes: the two fields of a match that its values and its notValues fill. */
export interface ReadRestriction {
  readonly match: PolicyMatch;
  readonly unreadableValues: readonly string[];
  readonly unreadableNotValues: readonly string[];
}

type FieldOf<Value> = {
  [Name in keyof PolicyMatch]-?: Required<PolicyMatch>[Name] extends readonly Value[] ? Name : never;
}[keyof PolicyMatch];

/** By attribute of from and to, or key of when. What is not here is HTTP, which ztunnel does not see. */
const layer4 = new Map<string, (values: Texts, notValues: Texts, namespace: string) => ReadRestriction>([
  ['principals', pair('principals', 'notPrincipals', readStringMatch)],
  ['source.principal', pair('principals', 'notPrincipals', readStringMatch)],
  ['namespaces', pair('namespaces', 'notNamespaces', readStringMatch)],
  ['source.namespace', pair('namespaces', 'notNamespaces', readStringMatch)],
  ['serviceAccounts', pair('serviceAccounts', 'notServiceAccounts', readServiceAccount)],
  ['ipBlocks', pair('sourceIps', 'notSourceIps', readRange)],
  ['source.ip', pair('sourceIps', 'notSourceIps', readRange)],
  ['destination.ip', pair('destinationIps', 'notDestinationIps', readRange)],
  ['ports', pair('destinationPorts', 'notDestinationPorts', readPort)],
  ['destination.port', pair('destinationPorts', 'notDestinationPorts', readPort)],
]);

type Texts = readonly string[];

export function isLayer4(name: string): boolean {
  return layer4.has(name) || isUnsupported(name);
}

/** Not HTTP, and yet not in what is sent to a ztunnel: istiod leaves it out, which would widen an ALLOW rule. */
export function isUnsupported(name: string): boolean {
  return name === 'trustDomains';
}

/** @returns undefined for an HTTP attribute, and for one that is not supported */
export function readRestriction(
  restriction: { readonly name: string; readonly values: Texts; readonly notValues: Texts },
  namespace: string,
): ReadRestriction | undefined {
  return layer4.get(restriction.name)?.(restriction.values, restriction.notValues, namespace);
}

function pair<Value extends StringMatch | IpRange | number | ServiceAccountMatch>(
  field: FieldOf<Value>,
  notField: FieldOf<Value>,
  read: (text: string, namespace: string) => Value | undefined,
): (values: Texts, notValues: Texts, namespace: string) => ReadRestriction {
  return (values, notValues, namespace) => {
    const positive = readAll(values, (text) => read(text, namespace));
    const negative = readAll(notValues, (text) => read(text, namespace));
    return {
      match: {
        ...(positive.values.length > 0 && { [field]: positive.values }),
        ...(negative.values.length > 0 && { [notField]: negative.values }),
      },
      unreadableValues: positive.unreadable,
      unreadableNotValues: negative.unreadable,
    };
  };
}

function readAll<Value>(texts: Texts, read: (text: string) => Value | undefined): ReadValues<Value> {
  const values: Value[] = [];
  const unreadable: string[] = [];
  for (const text of texts) {
    const value = read(text);
    if (value === undefined) unreadable.push(text);
    else values.push(value);
  }
  return { values, unreadable };
}

export function readStringMatch(text: string): StringMatch {
  if (text === '*') return { kind: 'presence' };
  if (text.startsWith('*')) return { kind: 'suffix', value: text.slice(1) };
  return text.endsWith('*') ? { kind: 'prefix', value: text.slice(0, -1) } : { kind: 'exact', value: text };
}

/** The address stays as it is written, also where it has bits behind the prefix. */
function readRange(text: string): IpRange | undefined {
  const range = parseCidr(text);
  const ip = parseIp(text.split('/', 1)[0] ?? '');
  return range && ip && { ip, prefixLength: range.prefixLength };
}

function readPort(text: string): number | undefined {
  return parsePort(text);
}

/** `account` of the policy's own namespace, or `namespace/account`. */
function readServiceAccount(text: string, policyNamespace: string): ServiceAccountMatch | undefined {
  const [first = '', second, third] = text.split('/');
  if (first === '' || second === '' || third !== undefined) return undefined;
  return second === undefined
    ? { namespace: policyNamespace, serviceAccount: first }
    : { namespace: first, serviceAccount: second };
}
