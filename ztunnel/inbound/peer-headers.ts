// What the headers of a CONNECT say of who sent it: the service that was meant, the sender's network and its labels.
// None of it is proven; it serves telemetry only. Source: ztunnel.md §3.4, §3.6.
import { forwardedHost } from '../../common/hbone/forwarded.ts';
import type { ConnectHeaders } from '../../common/hbone/hbone.ts';
import type { PeerLabels } from '../../common/telemetry/tcp-labels.ts';
import { labelsOfClaim } from '../connections/workload-baggage.ts';

export interface PeerHeaders {
  readonly forwardedHost: string | undefined;
  /** Named when the request came through a gateway. */
  readonly network: string | undefined;
  readonly labels: PeerLabels | undefined;
}

export function readPeerHeaders(headers: ConnectHeaders): PeerHeaders {
  const valuesOf = (wanted: string): string[] => headers.flatMap(([name, value]) => (name === wanted ? [value] : []));
  const baggage = valuesOf('baggage');
  return {
    forwardedHost: forwardedHost(valuesOf('forwarded')[0]),
    network: valuesOf('x-forwarded-network')[0],
    labels: baggage.length === 0 ? undefined : labelsOfClaim(baggage),
  };
}
