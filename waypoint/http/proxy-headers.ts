// What the proxy adds to and takes from messages on their way. In: headers and the few values needed. Out: the headers to send.
// Source: waypoint-telemetry.md §9.3.
import { peerMetadataHeader, peerMetadataIdHeader } from '../../common/peer/peer-headers.ts';
import { findHeader, type HeaderList, withHeader, withoutHeaders } from './header-list.ts';

/** Client certificates are not vouched for by whoever sent the header; peer metadata is between proxies (`introduce.ts`). */
const notFromClients = new Set(['x-forwarded-client-cert', peerMetadataHeader, peerMetadataIdHeader]);
const notToClients = new Set(['x-envoy-decorator-operation', 'server', peerMetadataHeader, peerMetadataIdHeader]);

/** @param newId taken when the request has no x-request-id */
export function requestHeadersUpstream(headers: HeaderList, scheme: string, newId: () => string): string[] {
  const sent = withoutHeaders(headers, notFromClients);
  if (findHeader(sent, 'x-forwarded-proto') === undefined) sent.push('x-forwarded-proto', scheme);
  if (findHeader(sent, 'x-request-id') === undefined) sent.push('x-request-id', newId());
  return sent;
}

export function responseHeadersDownstream(headers: HeaderList, upstreamMs: number, date: () => string): string[] {
  const kept = withoutHeaders(headers, notToClients);
  const dated = findHeader(kept, 'date') === undefined ? withHeader(kept, 'date', date()) : kept;
  dated.push('x-envoy-upstream-service-time', String(Math.round(upstreamMs)), 'server', 'istio-envoy');
  return dated;
}
