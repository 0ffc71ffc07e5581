// Which connections may share a tunnel: same source identity, same expected identities in order, same next hop (address and
// workload), same source address (ztunnel.md §3.5). Target in, comparable text out.
import { formatSocketAddress } from '../net/address.ts';
import type { TunnelTarget } from './hbone.ts';

declare const keyBrand: unique symbol;
export type PoolKey = string & { readonly [keyBrand]: true };

export function poolKey(target: TunnelTarget): PoolKey {
  const expected = target.expected.map((identity) => identity.uri);
  const parts = [
    target.source.uri,
    formatSocketAddress(target.nextHop),
    target.nextHopUid,
    target.sourceIp ?? '',
    ...expected,
  ];
  return JSON.stringify(parts) as PoolKey;
}
