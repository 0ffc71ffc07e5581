// An authorization policy as ztunnel evaluates it: `istio.security.Authorization` (istio-control.md §4.1).
// OR of rules, AND of clauses, OR of matches; AND across the fields of a match.
import type { IpRange } from '../net/cidr.ts';

export type { IpRange } from '../net/cidr.ts';

export type StringMatch =
  | { readonly kind: 'exact' | 'prefix' | 'suffix'; readonly value: string }
  | { readonly kind: 'presence' };

export interface ServiceAccountMatch {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Absent lists pass. A match without any list never matches. */
export interface PolicyMatch {
  readonly namespaces?: readonly StringMatch[];
  readonly notNamespaces?: readonly StringMatch[];
  readonly principals?: readonly StringMatch[];
  readonly notPrincipals?: readonly StringMatch[];
  readonly serviceAccounts?: readonly ServiceAccountMatch[];
  readonly notServiceAccounts?: readonly ServiceAccountMatch[];
  readonly sourceIps?: readonly IpRange[];
  readonly notSourceIps?: readonly IpRange[];
  readonly destinationIps?: readonly IpRange[];
  readonly notDestinationIps?: readonly IpRange[];
  readonly destinationPorts?: readonly number[];
  readonly notDestinationPorts?: readonly number[];
}

export type PolicyClause = readonly PolicyMatch[];
export type PolicyRule = readonly PolicyClause[];

export interface AuthorizationPolicy {
  readonly name: string;
  readonly namespace: string;
  readonly scope: 'global' | 'namespace' | 'workload-selector';
  readonly action: 'allow' | 'deny';
  readonly rules: readonly PolicyRule[];
  readonly dryRun: boolean;
}

export function policyKey(policy: { readonly namespace: string; readonly name: string }): string {
  return `${policy.namespace}/${policy.name}`;
}
