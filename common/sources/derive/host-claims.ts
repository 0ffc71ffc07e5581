// Who owns a hostname that several resources claim. In one namespace: a Service before ServiceEntries, then the oldest.
// Across namespaces each keeps its own, and one of them is canonical: the Service, else the oldest that is public.
import type { Service } from '../../mesh/service.ts';
import type { ServiceEntry } from '../kinds/service-entry.ts';
import { older } from './older.ts';

export interface EntryClaim {
  readonly entry: ServiceEntry;
  readonly service: Service;
}

/** @returns the claims that hold, with `canonical` decided, in the order given */
export function settleHostClaims(
  services: readonly Pick<Service, 'namespace' | 'hostname'>[],
  claims: readonly EntryClaim[],
): readonly EntryClaim[] {
  const ofServices = new Set(services.map(({ namespace, hostname }) => `${namespace}/${hostname}`));
  const serviceHosts = new Set(services.map(({ hostname }) => hostname));
  const winners = new Map<string, EntryClaim>();
  const canonical = new Map<string, EntryClaim>();
  for (const claim of claims) {
    const { namespace, hostname, visibility } = claim.service;
    const key = `${namespace}/${hostname}`;
    if (ofServices.has(key)) continue;
    winners.set(key, olderClaim(winners.get(key), claim));
    if (visibility === 'public' && !serviceHosts.has(hostname)) {
      canonical.set(hostname, olderClaim(canonical.get(hostname), claim));
    }
  }
  return claims
    .filter((claim) => winners.get(`${claim.service.namespace}/${claim.service.hostname}`) === claim)
    .map((claim) => ({
      entry: claim.entry,
      service: { ...claim.service, canonical: canonical.get(claim.service.hostname) === claim },
    }));
}

function olderClaim(a: EntryClaim | undefined, b: EntryClaim): EntryClaim {
  return a === undefined || older(a.entry.object, b.entry.object) === b.entry.object ? b : a;
}
