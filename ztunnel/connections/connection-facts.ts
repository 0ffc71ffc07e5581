// What is known of one application connection once it has been routed or admitted: the one value from which its metric
// labels, its access log line and its entry in config_dump are made.
import type { Identity } from '../../common/identity/identity.ts';
import { identityOf } from '../../common/identity/identity.ts';
import type { Service } from '../../common/mesh/service.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { SocketAddress } from '../../common/net/address.ts';
import { type PeerLabels, peerLabelsOf, type TcpConnectionFacts } from '../../common/telemetry/tcp-labels.ts';

export interface ConnectionEnd {
  readonly address: SocketAddress;
  /** As the mesh knows it. */
  readonly workload: Workload | undefined;
  /** What it tells of itself; counts only where the mesh does not know the workload. */
  readonly claimed: PeerLabels | undefined;
  /** Proven by mutual TLS on this hop. */
  readonly identity: Identity | undefined;
}

export interface ConnectionFacts {
  readonly direction: 'inbound' | 'outbound';
  readonly source: ConnectionEnd;
  /** Outbound: the next hop. Inbound: this pod. */
  readonly destination: ConnectionEnd;
  /** Authority of the CONNECT request, where HBONE carries the connection. */
  readonly hboneAuthority: string | undefined;
  /** Outbound: what was addressed. Inbound: guessed from the port and the `forwarded` header. */
  readonly service: Pick<Service, 'name' | 'namespace' | 'hostname'> | undefined;
}

export function labelsOf(end: ConnectionEnd): PeerLabels | undefined {
  return end.workload === undefined ? end.claimed : peerLabelsOf(end.workload);
}

/** A destination's principal is what the mesh knows, even where the bytes go in plain (ztunnel.md §10). */
export function tcpFactsOf(facts: ConnectionFacts): TcpConnectionFacts {
  const { source, destination } = facts;
  const known = destination.workload === undefined ? undefined : identityOf(destination.workload);
  return {
    reporter: facts.direction === 'outbound' ? 'source' : 'destination',
    source: labelsOf(source),
    sourceIdentity: source.identity,
    destination: labelsOf(destination),
    destinationIdentity: destination.identity ?? known,
    service: facts.service,
    security: source.identity && destination.identity ? 'mutual_tls' : 'unknown',
  };
}
