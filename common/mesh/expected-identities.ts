// Whom a client accepts at the other end: the workload itself, and the extra identities its service declares.
// A declared name that is no SPIFFE identity is skipped, as ztunnel does; sources report it. Source: ztunnel.md §4.4.
import { type Identity, identityOf, parseIdentity } from '../identity/identity.ts';
import type { Service } from './service.ts';
import type { Workload } from './workload.ts';

export function expectedIdentities(workload: Workload, service: Service | undefined): readonly Identity[] {
  const own = identityOf(workload);
  if (service === undefined || service.subjectAltNames.length === 0) return [own];
  const expected: Identity[] = [];
  for (const name of service.subjectAltNames) {
    const identity = parseIdentity(name);
    if (identity !== undefined && identity.uri !== own.uri) expected.push(identity);
  }
  expected.push(own);
  return expected;
}
