// A finished request under Envoy's attribute names, each made only when an expression asks for it. In: the facts of the request.
// Out: the root object for evaluation. What does not exist is a missing key. Source: waypoint-telemetry.md §4.1–4.4.
import { AttributeMap, type AttributeValue } from '../../common/expressions/attribute-map.ts';
import type { Attributes } from '../../common/expressions/expression.ts';
import { durationOf, timestampOf } from '../../common/expressions/value-text.ts';
import { identityOf } from '../../common/identity/identity.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import { formatSocketAddress, type SocketAddress } from '../../common/net/address.ts';
import { findHeader, type HeaderList, headerBytes, joinHeader } from '../http/header-list.ts';
import type { Downstream } from '../served-target.ts';
import { grpcStatusOf, isGrpc, type RequestFacts, type UpstreamFacts } from './request-facts.ts';
import { flagsBits } from './response-flags.ts';

/** @param filterState what generators have set, by full key; read when asked */
export function requestAttributes(facts: RequestFacts, filterState: ReadonlyMap<string, string>): Attributes {
  const { downstream, upstream } = facts;
  return {
    ...connectionAttributes(downstream, filterState, () => facts.upstream),
    request: new AttributeMap((name) => requestAttribute(facts, name)),
    response: new AttributeMap((name) => responseAttribute(facts, name)),
    upstream: new AttributeMap((name) => addressAttribute(upstream?.address, name)),
    xds: new AttributeMap((name) =>
      name === 'route_name' ? facts.routeName : xdsAttribute(downstream, upstream, name),
    ),
  };
}

/** What exists before the response: for generators that run when a request begins. */
export function requestPhaseAttributes(facts: RequestFacts, filterState: ReadonlyMap<string, string>): Attributes {
  return {
    ...connectionAttributes(facts.downstream, filterState, () => undefined),
    request: new AttributeMap((name) => (finalAttributes.has(name) ? undefined : requestAttribute(facts, name))),
  };
}

const finalAttributes = new Set(['duration', 'size', 'total_size']);

/** All that a TCP connection has. */
export function connectionAttributes(
  downstream: Downstream,
  filterState: ReadonlyMap<string, string>,
  upstream: () => UpstreamFacts | undefined,
): Record<string, AttributeMap> {
  return {
    source: new AttributeMap((name) => addressAttribute(downstream.address, name)),
    destination: new AttributeMap((name) => addressAttribute(downstream.target.address, name)),
    // As in Istio's waypoint: the inner connection has no TLS of its own; who called is in the filter state.
    connection: new AttributeMap((name) => (name === 'mtls' ? false : undefined)),
    filter_state: new AttributeMap((name) => filterState.get(name) ?? builtInState(downstream, upstream, name)),
    xds: new AttributeMap((name) => xdsAttribute(downstream, upstream(), name)),
  };
}

function requestAttribute(facts: RequestFacts, name: string): AttributeValue | undefined {
  const { request } = facts;
  const queryAt = request.path.indexOf('?');
  switch (name) {
    case 'path':
      return request.path;
    case 'url_path':
      return queryAt < 0 ? request.path : request.path.slice(0, queryAt);
    case 'query':
      return queryAt < 0 ? '' : request.path.slice(queryAt + 1);
    case 'host':
      return request.authority;
    case 'scheme':
    case 'method':
    case 'protocol':
      return request[name];
    case 'headers':
      return requestHeaders(facts);
    case 'headers_bytes':
      return BigInt(request.headBytes);
    case 'referer':
      return findHeader(request.headers, 'referer');
    case 'useragent':
      return findHeader(request.headers, 'user-agent');
    case 'id':
      return findHeader(request.headers, 'x-request-id');
    case 'time':
      return timestampOf(facts.startEpochMs);
    case 'duration':
      return durationOf(facts.durationMs);
    case 'size':
      return BigInt(facts.end.receivedBodyBytes);
    case 'total_size':
      return BigInt(facts.end.receivedBytes);
    default:
      return undefined;
  }
}

function requestHeaders({ request }: RequestFacts): AttributeMap {
  const pseudo = new Map([
    [':method', request.method],
    [':path', request.path],
    [':authority', request.authority],
    [':scheme', request.scheme],
  ]);
  return new AttributeMap(
    (name) => pseudo.get(name) ?? joinHeader(request.headers, name),
    () => [...pseudo.keys(), ...namesOf(request.headers)],
  );
}

function responseAttribute(facts: RequestFacts, name: string): AttributeValue | undefined {
  const { response, end } = facts;
  if (name === 'flags') return flagsBits(facts.flags);
  if (name === 'code_details') return facts.details || undefined;
  if (response === undefined) return undefined;
  switch (name) {
    case 'code':
      return BigInt(response.status);
    case 'grpc_status': {
      const status = isGrpc(facts.request) ? grpcStatusOf(facts) : '';
      return /^\d+$/.test(status) ? BigInt(status) : undefined;
    }
    case 'headers':
      return headerMap(response.headers);
    case 'headers_bytes':
      return BigInt(headerBytes(response.headers));
    case 'trailers':
      return headerMap(facts.responseTrailers);
    case 'size':
      return BigInt(end.sentBodyBytes);
    case 'total_size':
      return BigInt(end.sentBytes);
    case 'backend_latency':
      return facts.upstreamMs === undefined ? undefined : durationOf(facts.upstreamMs);
    default:
      return undefined;
  }
}

function addressAttribute(address: SocketAddress | undefined, name: string): AttributeValue | undefined {
  if (address === undefined) return undefined;
  if (name === 'address') return formatSocketAddress(address);
  return name === 'port' ? BigInt(address.port) : undefined;
}

function builtInState(
  downstream: Downstream,
  upstream: () => UpstreamFacts | undefined,
  name: string,
): AttributeValue | undefined {
  switch (name) {
    case 'downstream_peer':
    case 'wasm.downstream_peer':
      return peerMap(downstream.workload);
    case 'upstream_peer':
    case 'wasm.upstream_peer':
      return peerMap(upstream()?.workload);
    case 'io.istio.peer_principal':
      return downstream.identity?.uri;
    case 'io.istio.local_principal':
      return downstream.localIdentity.uri;
    default:
      return undefined;
  }
}

function peerMap(workload: Workload | undefined): AttributeValue | undefined {
  if (workload === undefined) return undefined;
  return new Map<string, AttributeValue>([
    ['name', workload.name],
    ['namespace', workload.namespace],
    ['cluster', workload.clusterId],
    ['workload', workload.workloadName],
    ['type', workload.workloadType],
    ['service', workload.canonicalName],
    ['revision', workload.canonicalRevision],
    ['app', workload.canonicalName],
    ['version', workload.canonicalRevision],
    ['identity', identityOf(workload).uri],
    ['region', workload.locality?.region ?? ''],
    ['availability_zone', workload.locality?.zone ?? ''],
    ['labels', new Map()],
  ]);
}

function xdsAttribute(
  { target }: Downstream,
  upstream: UpstreamFacts | undefined,
  name: string,
): AttributeValue | undefined {
  if (name === 'listener_direction') return 1n;
  if (name === 'route_name') return 'default';
  if (name === 'cluster_name') return clusterName(target, upstream);
  if (name !== 'cluster_metadata' || target.kind !== 'service') return undefined;
  const { name: short, namespace, hostname } = (upstream?.backend ?? target).service;
  const service = { host: hostname, name: short, namespace };
  return { filter_metadata: { istio: { services: [service] } } };
}

/** As Istio names a waypoint's clusters (§6.1). */
export function clusterName(target: Downstream['target'], upstream: UpstreamFacts | undefined): string {
  if (target.kind === 'workload') return 'encap';
  const protocol = target.appProtocol === 'tcp' || target.appProtocol === 'tls' ? 'tcp' : 'http';
  const { service, servicePort, subset } = upstream?.backend ?? { ...target, subset: undefined };
  return `inbound-vip|${servicePort}|${protocol}${subset === undefined ? '' : `/${subset.name}`}|${service.hostname}`;
}

function headerMap(headers: HeaderList): AttributeMap {
  return new AttributeMap(
    (name) => joinHeader(headers, name),
    () => namesOf(headers),
  );
}

function namesOf(headers: HeaderList): string[] {
  return [...new Set(headers.filter((_, index) => index % 2 === 0))];
}
