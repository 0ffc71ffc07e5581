// Finds out who has connected to a pod's plain-text port: a sidecar, whose mutual TLS and metadata exchange are gone through with the pod's
// certificate, or anybody else, untouched. In: an accepted stream. Out: the application's bytes, with what is proven and told of the caller.
import type { Socket } from 'node:net';
import { MeshError } from '../../common/errors.ts';
import { certificateInTime } from '../../common/identity/certificate-in-time.ts';
import { type Identity, identityOf } from '../../common/identity/identity.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import { formatSocketAddress, type SocketAddress } from '../../common/net/address.ts';
import type { ByteStream } from '../../common/net/byte-stream.ts';
import { peekStream } from '../../common/net/peek-stream.ts';
import type { AcceptedByteStream } from '../../common/net/socket-factory.ts';
import { streamOfTls } from '../../common/net/tcp-stream-socket.ts';
import { exchangePeers } from '../../common/peer/exchange-peers.ts';
import { labelsOfMetadata } from '../../common/peer/peer-metadata.ts';
import { protocolsFromSidecar } from '../../common/peer/sidecar-protocols.ts';
import { peerOfWorkload } from '../../common/peer/workload-peer.ts';
import type { PeerLabels } from '../../common/telemetry/tcp-labels.ts';
import type { SecuredSocket } from '../../common/tls/tls-client.ts';
import { secureAsServer } from '../../common/tls/tls-server.ts';
import { unlessAborted } from '../connections/carry-bytes.ts';
import type { LiveConnection } from '../connections/connection-tracker.ts';
import type { PodContext } from '../connections/pod-context.ts';
import { type Arrival, judgeSilence, readArrival, silenceMs } from './sidecar-hello.ts';

export interface Caller {
  /** Not yet opened. */
  readonly stream: ByteStream;
  /** Undefined for plain text. */
  readonly secured: SecuredCaller | undefined;
}

export interface SecuredCaller {
  readonly identity: Identity;
  /** Whose certificate answered. */
  readonly localIdentity: Identity;
  /** What it tells of itself, as far as it is believed. */
  readonly claimed: PeerLabels | undefined;
  /** The service that it says it means. */
  readonly host: string | undefined;
}

export interface Arriving {
  readonly stream: AcceptedByteStream;
  readonly source: SocketAddress;
  readonly workload: Workload;
  /** What becomes of it if it is plain text, asked only if it says nothing. */
  readonly plainIs: () => 'admitted' | 'refused';
}

const handshakeTimeoutMs = 10_000;

/** @throws MeshError IDENTITY_UNAVAILABLE, TLS_FAILED, PEER_IDENTITY_MISMATCH, CERTIFICATE_REVOKED, CONNECTION_RESET, or why it was aborted */
export async function receiveCaller(context: PodContext, live: LiveConnection, arriving: Arriving): Promise<Caller> {
  const { stream, workload } = arriving;
  // A pod that ends tunnels itself ends its callers' TLS, too.
  if (workload.nativeTunnel) return { stream, secured: undefined };
  const looked = await unlessAborted(live, lookAt(context, arriving));
  if (looked === undefined) return { stream, secured: undefined };
  const { decision, start } = looked;
  if (decision.kind === 'plain') return { stream: looked.stream, secured: undefined };
  const secured = await secure(context, live, arriving, start);
  return await meet(context, live, arriving, secured, decision.host);
}

/** Undefined when the caller has gone before it was clear. */
function lookAt({ mesh, network }: PodContext, { stream, source, workload, plainIs }: Arriving) {
  let begun = false;
  let silences = 0;
  return peekStream<Arrival>(
    stream,
    (start) => {
      begun = true;
      return readArrival(start, { workload, mesh });
    },
    (why) => {
      if (why === 'ended') return { kind: 'plain' };
      silences += 1;
      const caller = mesh.workloadByAddress(network, source.ip);
      return judgeSilence({ silences, begun, plainIs: plainIs(), caller });
    },
    silenceMs,
  );
}

async function secure(
  { certificates, revocations }: PodContext,
  live: LiveConnection,
  { stream, source, workload }: Arriving,
  start: Buffer,
): Promise<SecuredSocket & { readonly transport: Socket }> {
  const peerName = `the sidecar at ${formatSocketAddress(source)}`;
  const fetching = certificateInTime(certificates, identityOf(workload), handshakeTimeoutMs);
  const certificate = await unlessAborted(live, fetching);
  const socket = stream.takeSocket(start);
  if (socket === undefined) throw new MeshError('CONNECTION_RESET', `${peerName} has gone before its handshake`);
  const protocols = protocolsFromSidecar;
  const acceptance = { socket, certificate, protocols, timeoutMs: handshakeTimeoutMs, peerName, revocations };
  try {
    const secured = await unlessAborted(live, secureAsServer(acceptance), (late) => late.socket.destroy());
    return { ...secured, transport: socket };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Waits for what the caller tells: it answers our frame with its own, within a round trip. */
async function meet(
  { peerClaims }: PodContext,
  live: LiveConnection,
  { source, workload }: Arriving,
  { socket, transport, peer: identity }: SecuredSocket & { readonly transport: Socket },
  host: string | undefined,
): Promise<Caller> {
  const start = { alpn: socket.alpnProtocol || undefined, own: peerOfWorkload('ztunnel', workload) };
  const { stream, outcome } = exchangePeers(streamOfTls(socket, transport), start);
  try {
    const metadata = peerClaims.judgeExchange(await unlessAborted(live, outcome), { address: source, identity });
    const claimed = metadata && labelsOfMetadata(metadata);
    return { stream, secured: { identity, localIdentity: identityOf(workload), claimed, host } };
  } catch (error) {
    stream.reset(error instanceof Error ? error : undefined);
    throw error;
  }
}
