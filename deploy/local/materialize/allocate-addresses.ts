// Which object has which address: what asks for one gets it, the others get the next free one of their range and keep it
// as long as they live. Claims and the previous allocation in, next allocation and problems out.
import type { ResourceProblem } from '../../../common/sources/resource-problem.ts';

export interface AddressClaim {
  /** Who wants it: `<namespace>/<name>`. Stays the same while the object lives. */
  readonly key: string;
  /** Where messages say the object is. */
  readonly place: Pick<ResourceProblem, 'file' | 'line' | 'object'>;
  /** The address written in the manifest, if any. */
  readonly wanted: string | undefined;
}

export interface AddressRange {
  /** First two octets: `10.244`. */
  readonly prefix: string;
  /** Host numbers below this are kept free (network, node). */
  readonly firstHost: number;
}

export interface Allocation {
  readonly addresses: ReadonlyMap<string, string>;
  /** Host number given last: a freed address is not used again at once. */
  readonly lastHost: number;
}

export const emptyAllocation: Allocation = { addresses: new Map(), lastHost: 0 };

const hostsInRange = 65_535;

export function allocateAddresses(
  claims: readonly AddressClaim[],
  range: AddressRange,
  previous: Allocation,
): { readonly allocation: Allocation; readonly problems: readonly ResourceProblem[] } {
  const addresses = new Map<string, string>();
  const owners = new Map<string, string>();
  const problems: ResourceProblem[] = [];
  const take = (claim: AddressClaim, address: string) => {
    addresses.set(claim.key, address);
    owners.set(address, claim.place.object ?? claim.key);
  };
  for (const claim of claims) {
    if (claim.wanted === undefined) continue;
    const owner = owners.get(claim.wanted);
    if (owner === undefined) take(claim, claim.wanted);
    else problems.push(sameAddress(claim, owner));
  }
  const rest = claims.filter((claim) => claim.wanted === undefined);
  for (const claim of rest) {
    const kept = previous.addresses.get(claim.key);
    if (kept?.startsWith(`${range.prefix}.`) && !owners.has(kept)) take(claim, kept);
  }
  let lastHost = previous.lastHost;
  for (const claim of rest) {
    if (addresses.has(claim.key)) continue;
    const host = nextFreeHost(range, lastHost, owners);
    if (host === undefined) {
      problems.push({
        ...claim.place,
        severity: 'error',
        message: `gets no address: none is left in ${range.prefix}.0.0/16`,
        remedy: 'use fewer objects',
      });
      continue;
    }
    lastHost = host;
    take(claim, addressAt(range, host));
  }
  return { allocation: { addresses, lastHost }, problems };
}

function nextFreeHost(range: AddressRange, lastHost: number, taken: ReadonlyMap<string, string>): number | undefined {
  let host = Math.max(lastHost, range.firstHost - 1);
  for (let tries = 0; tries < hostsInRange; tries += 1) {
    host = host + 1 >= hostsInRange ? range.firstHost : host + 1;
    const last = host % 256;
    if (last !== 0 && last !== 255 && !taken.has(addressAt(range, host))) return host;
  }
  return undefined;
}

function addressAt(range: AddressRange, host: number): string {
  return `${range.prefix}.${Math.floor(host / 256)}.${host % 256}`;
}

function sameAddress(claim: AddressClaim, owner: string): ResourceProblem {
  return {
    ...claim.place,
    severity: 'error',
    message: `wants the address ${claim.wanted}, which ${owner} has, and is not started`,
    remedy: 'give one of them another address, or none to get a free one',
  };
}
