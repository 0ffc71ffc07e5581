// One connection that a pod opens, from accept to end: decide the route, dial it, carry the bytes. Whatever fails, the
// application's socket is reset, and metrics and access log say why once. Source: ztunnel.md §4.4, §10.
import { asError, MeshError } from '../../common/errors.ts';
import type { ConnectedStream, TunnelDialer } from '../../common/hbone/hbone.ts';
import { identityOf } from '../../common/identity/identity.ts';
import type { ResolvedHosts } from '../../common/mesh/choose-address.ts';
import type { MeshDemand } from '../../common/mesh/mesh-demand.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { IpAddress, SocketAddress } from '../../common/net/address.ts';
import type { ByteStream } from '../../common/net/byte-stream.ts';
import { dialSidecar } from '../../common/peer/sidecar-dialer.ts';
import { peerOfWorkload } from '../../common/peer/workload-peer.ts';
import type { Series } from '../../common/telemetry/recorder.ts';
import { carryBytes, resetLate, unlessAborted } from '../connections/carry-bytes.ts';
import type { ConnectionFacts } from '../connections/connection-facts.ts';
import type { LiveConnection } from '../connections/connection-tracker.ts';
import { learnMissed } from '../connections/learn-missed.ts';
import { awaitServedWorkload, type PodContext, servedWorkload } from '../connections/pod-context.ts';
import { connectHeaders } from './connect-headers.ts';
import { decideOutboundRoute, type OutboundRoute } from './outbound-route.ts';

export interface OutboundContext extends PodContext {
  readonly tunnels: TunnelDialer;
  readonly lookUpName: (hostname: string) => Promise<readonly IpAddress[]>;
  /** Told of each look-up on behalf of a connection. */
  readonly countOnDemandDns: (source: Workload, hostname: string) => void;
  /** In [0, 1). */
  readonly random: () => number;
  /** 24 random bytes for the trace of one connection. */
  readonly traceSeed: () => Buffer;
}

export interface OutboundConnection {
  /** Opened only once the destination is connected; reset when it cannot be. */
  readonly downstream: ByteStream;
  readonly source: SocketAddress;
  readonly originalDestination: SocketAddress;
  /** A gauge of the connections that live. */
  readonly open?: Series;
}

const nothingResolved: ResolvedHosts = new Map();

type OpenRoute = Exclude<OutboundRoute, { readonly kind: 'resolve' | 'reject' }>;

/** Resolves when the connection is being carried, or has failed; never rejects. */
export async function carryOutbound(context: OutboundContext, connection: OutboundConnection): Promise<void> {
  const live = context.tracker.begin(connection.open);
  try {
    const source = servedWorkload(context) ?? (await unlessAborted(live, awaitServedWorkload(context)));
    const random = context.random();
    const { demand } = context;
    if (demand !== undefined) await unlessAborted(live, learnRoute(context, demand, connection, source, random));
    const first = decideRoute(context, connection, source, random, nothingResolved);
    const route =
      first.kind === 'resolve'
        ? await unlessAborted(live, resolveRoute(context, connection, source, random, first))
        : first;
    await carryRoute(context, connection, live, source, route);
  } catch (cause) {
    const error = asError(cause);
    const { source, originalDestination: destination } = connection;
    context.journal.deny({ source, destination, direction: 'outbound', error });
    connection.downstream.reset(error);
    live.end();
  }
}

/** @throws MeshError TARGET_UNKNOWN: what may be in the mesh is not passed by it in plain text */
async function learnRoute(
  { mesh, network, illegalPorts }: OutboundContext,
  demand: MeshDemand,
  { originalDestination }: OutboundConnection,
  source: Workload,
  random: number,
): Promise<void> {
  const facts = { originalDestination, source, network, illegalPorts, random, resolved: new Map() };
  const outcome = await learnMissed(mesh, demand, (known) => void decideOutboundRoute({ ...facts, mesh: known }));
  if (outcome.kind === 'unanswered') throw new MeshError('TARGET_UNKNOWN', outcome.detail);
}

/** @throws MeshError with the code of the rejection */
function decideRoute(
  { mesh, network, illegalPorts }: OutboundContext,
  { originalDestination }: OutboundConnection,
  source: Workload,
  random: number,
  resolved: ResolvedHosts,
): Exclude<OutboundRoute, { readonly kind: 'reject' }> {
  const route = decideOutboundRoute({ originalDestination, source, mesh, network, illegalPorts, random, resolved });
  if (route.kind === 'reject') throw new MeshError(route.code, route.detail);
  return route;
}

/** Looks up what the decision asks for, until it asks for no more. @throws MeshError with the code of the rejection */
async function resolveRoute(
  context: OutboundContext,
  connection: OutboundConnection,
  source: Workload,
  random: number,
  first: Extract<OutboundRoute, { readonly kind: 'resolve' }>,
): Promise<OpenRoute> {
  const resolved = new Map<string, readonly IpAddress[]>();
  for (let route: OpenRoute | typeof first = first; ; ) {
    if (route.kind !== 'resolve') return route;
    const { hostname } = route;
    if (resolved.has(hostname)) throw new MeshError('INTERNAL', `${hostname} was to be resolved twice`);
    context.countOnDemandDns(source, hostname);
    resolved.set(hostname, await context.lookUpName(hostname));
    route = decideRoute(context, connection, source, random, resolved);
  }
}

async function carryRoute(
  context: OutboundContext,
  connection: OutboundConnection,
  live: LiveConnection,
  source: Workload,
  route: OpenRoute,
): Promise<void> {
  const { downstream } = connection;
  const facts = factsOf(connection, source, route);
  live.state = {
    kind: 'outbound',
    route: {
      protocol: route.kind === 'hbone' ? 'HBONE' : 'TCP',
      source: connection.source,
      originalDestination: connection.originalDestination,
      actualDestination: facts.destination.address,
    },
  };
  const entry = context.journal.open(facts);
  try {
    const upstream = await unlessAborted(live, dial(context, connection, source, route), resetLate);
    carryBytes(live, downstream, upstream, entry);
  } catch (cause) {
    const error = asError(cause);
    downstream.reset(error);
    entry.close(error);
    live.end();
  }
}

function dial(
  context: OutboundContext,
  connection: OutboundConnection,
  source: Workload,
  route: OpenRoute,
): Promise<ByteStream> {
  if (route.kind === 'sidecar') return dialSidecarOf(context, source, route);
  const { tunnels, sockets, traceSeed } = context;
  if (route.kind !== 'hbone') return sockets.connectStream({ to: route.to });
  const target = {
    nextHop: route.nextHop,
    source: identityOf(source),
    expected: route.expected,
    sourceIp: connection.source.ip,
    nextHopUid: route.nextHopWorkload.uid,
  };
  const headers = connectHeaders({
    source,
    sourceAddress: connection.source,
    serviceHostname: route.service?.hostname,
    traceSeed: traceSeed(),
  });
  return tunnels.connect(target, route.authority, headers).then(streamOf);
}

function streamOf({ stream }: ConnectedStream): ByteStream {
  return stream;
}

/** The mesh knows who is there, so what the sidecar tells is judged, and adds nothing. */
async function dialSidecarOf(
  context: OutboundContext,
  source: Workload,
  { to, expected }: Extract<OpenRoute, { readonly kind: 'sidecar' }>,
): Promise<ByteStream> {
  const call = { to, source: identityOf(source), expected, own: peerOfWorkload('ztunnel', source) };
  const { stream, peer, outcome } = await dialSidecar(context, call);
  void outcome.then((told) => context.peerClaims.judgeExchange(told, { address: to, identity: peer }));
  return stream;
}

function factsOf(connection: OutboundConnection, source: Workload, route: OpenRoute): ConnectionFacts {
  const sourceEnd = { address: connection.source, workload: source, claimed: undefined };
  if (route.kind === 'hbone') {
    const { nextHop: address, nextHopWorkload: workload } = route;
    return {
      direction: 'outbound',
      source: { ...sourceEnd, identity: identityOf(source) },
      destination: { address, workload, claimed: undefined, identity: identityOf(workload) },
      hboneAuthority: route.authority,
      service: route.service,
    };
  }
  const { workload, service } = route.kind === 'passthrough' ? { workload: undefined, service: undefined } : route;
  const [own, theirs] = route.kind === 'sidecar' ? [identityOf(source), identityOf(route.workload)] : [];
  return {
    direction: 'outbound',
    source: { ...sourceEnd, identity: own },
    destination: { address: route.to, workload, claimed: undefined, identity: theirs },
    hboneAuthority: undefined,
    service,
  };
}
