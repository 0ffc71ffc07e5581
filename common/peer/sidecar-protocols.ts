// What sidecars say of themselves in TLS before anything else: protocols (ALPN) and server name. In: a ClientHello's words. Out: whether
// a sidecar speaks, and to which service. Source: waypoint-telemetry.md §5.1; Istio names its clusters in SNI.
import { peerExchangeProtocol } from './peer-exchange-codec.ts';

/** In whatever a sidecar offers to another proxy of the mesh, whatever the application speaks. */
const meshProtocol = 'istio';

/** What a sidecar offers for TCP. */
export const protocolsToSidecar: readonly string[] = [peerExchangeProtocol, meshProtocol];

/** For HTTP: a sidecar takes it for HTTP by these alone where the port does not say so. */
export const httpProtocolsToSidecar = {
  'HTTP/1.1': ['istio-http/1.1', meshProtocol, 'http/1.1'],
  'HTTP/2': ['istio-h2', meshProtocol, 'h2'],
} as const;

/** A sidecar's own order. Whoever brings HTTP is told its version; `istio` is for those who would be refused otherwise. */
export const protocolsFromSidecar: readonly string[] = [peerExchangeProtocol, 'h2', 'http/1.1', meshProtocol];

export function isOfSidecar(protocols: readonly string[]): boolean {
  return protocols.includes(meshProtocol) || protocols.includes(peerExchangeProtocol);
}

/** `outbound_.9080_.v1_.ratings.default.svc.cluster.local` means that host; any other name means none. */
export function hostOfServerName(serverName: string | undefined): string | undefined {
  return /^outbound_\.\d+_\.[^_]*_\.(.+)$/.exec(serverName ?? '')?.[1];
}
