// One CONNECT that reaches a pod, from request to end: admit it, connect to the application as its real peer, answer 200
// with who we are, carry the bytes. Source: ztunnel.md §3.4, §4.6, §10.
import { asError, MeshError } from '../../common/errors.ts';
import type { ConnectRequest } from '../../common/hbone/hbone.ts';
import type { MeshDemand } from '../../common/mesh/mesh-demand.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { SocketAddress } from '../../common/net/address.ts';
import type { ByteStream } from '../../common/net/byte-stream.ts';
import type { Admission } from '../admission.ts';
import { carryBytes, resetLate, unlessAborted } from '../connections/carry-bytes.ts';
import type { ConnectionEntry } from '../connections/connection-journal.ts';
import type { LiveConnection } from '../connections/connection-tracker.ts';
import { learnCaller } from '../connections/learn-missed.ts';
import { sourceToKeep } from '../connections/original-source.ts';
import { awaitServedWorkload, type PodContext, servedWorkload } from '../connections/pod-context.ts';
import { baggageText } from '../connections/workload-baggage.ts';
import { decideInboundAdmission } from './inbound-admission.ts';
import { inboundFacts } from './inbound-facts.ts';
import { type PeerHeaders, readPeerHeaders } from './peer-headers.ts';

export interface InboundContext extends PodContext {
  /** ENABLE_RESPONSE_BAGGAGE: answer with our baggage, and believe the peer's where the mesh does not know it. */
  readonly baggage: 'exchanged' | 'ignored';
  readonly listener: { readonly transparent: boolean };
}

/** Resolves when the connection is being carried, or has failed; never rejects. */
export async function carryInbound(context: InboundContext, request: ConnectRequest): Promise<void> {
  const live = context.tracker.begin();
  request.onAbort((tunnelLoss) => live.abort(whyAborted(request, tunnelLoss)));
  try {
    const workload = servedWorkload(context) ?? (await unlessAborted(live, awaitServedWorkload(context)));
    const { demand } = context;
    if (demand !== undefined) await unlessAborted(live, learnRequest(context, demand, request, workload));
    await admit(context, request, live, workload);
  } catch (cause) {
    const error = asError(cause);
    const { peerAddress: source, localAddress: destination } = request;
    context.journal.deny({ source, destination, direction: 'inbound', error });
    request.reject(statusOf(error));
    live.end();
  }
}

/** What nobody tells in time is refused where it is needed, and missing from telemetry where it is not. */
async function learnRequest(
  context: InboundContext,
  demand: MeshDemand,
  request: ConnectRequest,
  workload: Workload,
): Promise<void> {
  const peer = readPeerHeaders(request.headers);
  await learnCaller(context.mesh, demand, (mesh) => {
    const known = { ...context, mesh };
    decide(known, request, workload, peer);
    inboundFacts(known, request, workload, undefined, peer);
  });
}

function decide(
  { mesh, network, illegalPorts }: InboundContext,
  request: ConnectRequest,
  workload: Workload,
  { forwardedHost }: PeerHeaders,
): Admission {
  const { method, authority, peerAddress, peerIdentity, localAddress } = request;
  const asked = { method, authority, forwardedHost, peerAddress, peerIdentity, localAddress };
  return decideInboundAdmission({ ...asked, workload, mesh, network, illegalPorts });
}

/** @throws MeshError for a request that does not count as a connection */
function admit(
  context: InboundContext,
  request: ConnectRequest,
  live: LiveConnection,
  workload: Workload,
): Promise<void> | undefined {
  const peer = readPeerHeaders(request.headers);
  const admission = decide(context, request, workload, peer);
  if (admission.kind === 'reject') throw new MeshError(admission.code, admission.detail);
  const entry = context.journal.open(inboundFacts(context, request, workload, admission.service, peer));
  if (admission.kind === 'deny') {
    const error = new MeshError(admission.code, admission.detail);
    request.reject(statusOf(error));
    entry.close(error);
    live.end();
    return undefined;
  }
  remember(live, request, workload, admission.upstream, peer);
  return carry(context, request, live, workload, admission.upstream, entry);
}

async function carry(
  context: InboundContext,
  request: ConnectRequest,
  live: LiveConnection,
  workload: Workload,
  upstreamAddress: SocketAddress,
  entry: ConnectionEntry,
): Promise<void> {
  let upstream: ByteStream;
  try {
    upstream = await unlessAborted(live, dial(context, request, upstreamAddress), resetLate);
  } catch (cause) {
    const error = asError(cause);
    request.reject(statusOf(error));
    entry.close(error);
    return live.end();
  }
  const headers = context.baggage === 'exchanged' ? ([['baggage', baggageText(workload)]] as const) : [];
  const downstream = request.accept(headers);
  carryBytes(live, downstream, upstream, entry);
}

function dial(context: InboundContext, request: ConnectRequest, to: SocketAddress): Promise<ByteStream> {
  const { originalSource: setting, listener, sockets } = context;
  const from = sourceToKeep({ setting, listener, source: request.peerAddress, destination: to });
  return sockets.connectStream({ to, within: 'pod', ...(from === undefined ? {} : { from }) });
}

function remember(
  live: LiveConnection,
  request: ConnectRequest,
  workload: Workload,
  upstream: SocketAddress,
  { forwardedHost }: PeerHeaders,
): void {
  const source = request.peerAddress;
  live.state = {
    kind: 'inbound',
    route: { protocol: 'HBONE', source, originalDestination: forwardedHost, actualDestination: upstream },
    admitted: { workload, source, destination: upstream, sourceIdentity: request.peerIdentity },
  };
}

function whyAborted({ authority }: ConnectRequest, tunnelLoss: MeshError | undefined): MeshError {
  if (tunnelLoss?.code === 'CERTIFICATE_REVOKED') return tunnelLoss;
  return new MeshError('CONNECTION_RESET', `the peer gave up its CONNECT to ${authority} before it was answered`);
}

function statusOf(error: Error): number {
  return error instanceof MeshError ? error.onTheWire.connectStatus : 503;
}
