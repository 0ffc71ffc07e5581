// Whether a CONNECT that reaches a pod is let through. In: the request, both ends, the pod's workload, the mesh.
// Out: where it goes on to (always the pod itself), with the verdict and the service it was probably meant for, or why
// not. Source: ztunnel.md §4.6, steps 2 to 6.
import type { MeshErrorCode } from '../../common/errors.ts';
import { type Authority, parseAuthority } from '../../common/hbone/authority.ts';
import type { Identity } from '../../common/identity/identity.ts';
import { authorize } from '../../common/mesh/authorize.ts';
import { findAddress, isGatewayInstance } from '../../common/mesh/find-destination.ts';
import { guessService } from '../../common/mesh/guess-service.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import { targetPortOf } from '../../common/mesh/pick-endpoint.ts';
import { type Service, serviceKey } from '../../common/mesh/service.ts';
import type { GatewayAddress, Workload } from '../../common/mesh/workload.ts';
import type { IpAddress, SocketAddress } from '../../common/net/address.ts';
import type { Admission, Rejection } from '../admission.ts';
import { describeSelfCall, type IllegalPorts } from '../illegal-ports.ts';

export interface InboundFacts {
  readonly method: string;
  /** Text of `:authority`. */
  readonly authority: string;
  /** `host` of the `forwarded` header. */
  readonly forwardedHost: string | undefined;
  readonly peerAddress: SocketAddress;
  readonly peerIdentity: Identity | undefined;
  /** The pod's address and the HBONE port. */
  readonly localAddress: SocketAddress;
  /** The pod that is connected to. */
  readonly workload: Workload;
  readonly mesh: MeshView;
  /** The network of this proxy. */
  readonly network: string;
  readonly illegalPorts: IllegalPorts;
}

type PortChoice = { readonly kind: 'port'; readonly port: number; readonly requested: Service | undefined } | Rejection;

export function decideInboundAdmission(facts: InboundFacts): Admission {
  const { workload, mesh, localAddress } = facts;
  if (facts.method !== 'CONNECT') {
    return reject('METHOD_NOT_CONNECT', `expected method CONNECT, got ${JSON.stringify(facts.method)}`);
  }
  const authority = parseAuthority(facts.authority);
  if (authority === undefined) {
    const given = JSON.stringify(facts.authority.slice(0, 300));
    return reject('TARGET_MALFORMED', `no valid authority pseudo header: ${given} is no ip:port or hostname:port`);
  }
  if (authority.kind === 'address' && !isTargetHere(authority.ip, facts)) {
    const detail = `CONNECT ${facts.authority} came to ${workload.uid}, which is neither there nor the waypoint for it`;
    return reject('TARGET_NOT_HERE', `ip mismatch: ${localAddress.ip} != ${authority.ip}: ${detail}`);
  }
  const choice = choosePort(authority, facts);
  if (choice.kind === 'reject') return choice;
  const upstream: SocketAddress = { ip: localAddress.ip, port: choice.port };
  if (facts.illegalPorts.has(upstream.port)) return reject('SELF_CALL', describeSelfCall(upstream));

  const { forwardedHost, peerAddress: source, peerIdentity: identity } = facts;
  const service = guessService({
    mesh,
    workload,
    requested: choice.requested,
    forwardedHost,
    upstreamPort: upstream.port,
  });
  const verdict = authorize({ source, destination: upstream, identity }, mesh.policiesFor(workload));
  if (verdict.kind === 'permit') return { kind: 'admit', upstream, service, verdict };
  const detail = `connection closed due to policy rejection: ${verdict.detail}`;
  return { kind: 'deny', code: 'AUTHORIZATION_DENIED', detail, upstream, service, verdict };
}

/**
 * A target is here when it is the pod's own address, or something whose waypoint the pod is. Hostnames are decided by
 * the port that they lead to; behind an application tunnel the pod answers for anything.
 */
function isTargetHere(ip: IpAddress, facts: InboundFacts): boolean {
  const { workload, mesh, network, localAddress } = facts;
  if (ip === localAddress.ip) return true;
  if (workload.applicationTunnel !== undefined) return true;
  const target = findAddress(mesh, network, ip, undefined);
  if (target === undefined) return false;
  const waypoints: GatewayAddress[] = [];
  const { waypoint } = target.kind === 'service' ? target.service : target.workload;
  if (waypoint !== undefined) waypoints.push(waypoint);
  if (target.kind === 'service') waypoints.push(...target.service.weightedWaypoints.map((each) => each.destination));
  return waypoints.some((reference) => isGatewayInstance(mesh, reference, workload));
}

function choosePort(authority: Authority, facts: InboundFacts): PortChoice {
  const { workload } = facts;
  const tunnel = workload.applicationTunnel;
  if (tunnel?.protocol === 'proxy') {
    const what = `application tunnel PROXY on port ${tunnel.port}, which is not supported`;
    return reject('NOT_SUPPORTED', `workload ${workload.uid} asks for an ${what}`);
  }
  const requested =
    authority.kind === 'hostname' ? resolveHostname(authority.hostname, authority.port, facts) : undefined;
  if (requested?.kind === 'reject') return requested;
  const port = tunnel !== undefined && tunnel.port > 0 ? tunnel.port : (requested?.port ?? authority.port);
  return { kind: 'port', port, requested: requested?.requested };
}

function resolveHostname(hostname: string, port: number, { mesh, workload }: InboundFacts): PortChoice {
  const service = mesh.serviceByHostname(hostname, workload.namespace);
  if (service === undefined) {
    return reject('TARGET_UNKNOWN', `no service or workload for hostname: ${hostname}`);
  }
  const ports = workload.services.get(serviceKey(service)) ?? [];
  const target = targetPortOf(service, { ports, workload }, port, 'service');
  if (target === undefined) {
    return reject('TARGET_UNKNOWN', `requested service ${hostname}:${port} found, but cannot resolve port`);
  }
  return { kind: 'port', port: target, requested: service };
}

function reject(code: MeshErrorCode, detail: string): Rejection {
  return { kind: 'reject', code, detail };
}
