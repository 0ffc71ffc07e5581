// Which connections may share a tunnel: same source identity, same expected identities in order, same next hop (address and
// workload), same source address (ztunnel.md §3.5). Every connection asks, so that targets are compared instead of made keys of.
import type { TunnelTarget } from './hbone.ts';

export function mayShare(a: TunnelTarget, b: TunnelTarget): boolean {
  return (
    a.nextHopUid === b.nextHopUid &&
    a.nextHop.ip === b.nextHop.ip &&
    a.nextHop.port === b.nextHop.port &&
    a.sourceIp === b.sourceIp &&
    a.source.uri === b.source.uri &&
    a.expected.length === b.expected.length &&
    a.expected.every((identity, index) => identity.uri === b.expected[index]?.uri)
  );
}
