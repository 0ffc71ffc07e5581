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
  /** All lines of it. */
  readonly baggage: readonly string[];
}

export function readPeerHeaders(headers: ConnectHeaders): PeerHeaders {
  let baggage: readonly string[] = noBaggage;
  let forwarded: string | undefined;
  let network: string | undefined;
  for (const [name, value] of headers) {
    if (name === 'baggage') baggage = baggage.concat(value);
    else if (name === 'forwarded') forwarded ??= value;
    else if (name === 'x-forwarded-network') network ??= value;
  }
  return { forwardedHost: forwardedHost(forwarded), network, baggage };
}

const noBaggage: readonly string[] = [];

export function labelsOfPeer({ baggage }: PeerHeaders): PeerLabels | undefined {
  return baggage.length === 0 ? undefined : labelsOfClaim(baggage);
}
