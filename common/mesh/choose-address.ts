// Which of a workload's addresses a connection goes to. Names are resolved outside: when the answer is `resolve`, the
// caller resolves that name in the proxy's own namespace and asks again with the result. Source: ztunnel.md §4.3.
import { type IpAddress, ipFamily } from '../net/address.ts';
import type { Service } from './service.ts';
import type { Workload } from './workload.ts';

/** What was resolved so far: an empty list means that the name has no address. */
export type ResolvedHosts = ReadonlyMap<string, readonly IpAddress[]>;

export interface AddressQuery {
  readonly workload: Workload;
  /** Restricts the families where the workload was reached through a service. */
  readonly service: Service | undefined;
  /** What the client dialled: its address or family is kept where possible. */
  readonly original: IpAddress;
  readonly resolved: ResolvedHosts;
  readonly random: number;
}

export type AddressChoice =
  | { readonly kind: 'ip'; readonly ip: IpAddress }
  | { readonly kind: 'resolve'; readonly hostname: string }
  | { readonly kind: 'none'; readonly detail: string };

export function chooseAddress(query: AddressQuery): AddressChoice {
  const { workload, service, original, resolved } = query;
  if (workload.addresses.includes(original)) return { kind: 'ip', ip: original };
  const ip = allowedAddress(workload, service, original);
  if (ip !== undefined) return { kind: 'ip', ip };
  if (workload.hostname === '') {
    const has = workload.addresses.length === 0 ? 'no address and no hostname' : 'no address of a family it may use';
    return { kind: 'none', detail: `no valid routing destination for workload: ${workload.uid} has ${has}` };
  }
  const answers = resolved.get(workload.hostname);
  if (answers === undefined) return { kind: 'resolve', hostname: workload.hostname };
  const sameFamily = answers.filter((answer) => ipFamily(answer) === ipFamily(original));
  const pool = sameFamily.length > 0 ? sameFamily : answers;
  const answer = pool[Math.floor(query.random * pool.length)];
  if (answer !== undefined) return { kind: 'ip', ip: answer };
  return {
    kind: 'none',
    detail: `no ip addresses were resolved for workload: ${workload.uid} (hostname ${workload.hostname})`,
  };
}

/** Of the family that was dialled, where there is one. */
function allowedAddress(
  { addresses }: Workload,
  service: Service | undefined,
  original: IpAddress,
): IpAddress | undefined {
  let first: IpAddress | undefined;
  for (const ip of addresses) {
    if (!isAllowed(service, ip)) continue;
    if (ipFamily(ip) === ipFamily(original)) return ip;
    first ??= ip;
  }
  return first;
}

function isAllowed(service: Service | undefined, ip: IpAddress): boolean {
  if (service?.ipFamilies === 'ipv4') return ipFamily(ip) === 4;
  if (service?.ipFamilies === 'ipv6') return ipFamily(ip) === 6;
  return true;
}
