// One plain-text connection into a pod, from accept to end: admit it, connect to the application as its real peer, carry
// the bytes. Source: ztunnel.md §4.7, §10.
import { MeshError } from '../../common/errors.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { SocketAddress } from '../../common/net/address.ts';
import type { ByteStream } from '../../common/net/byte-stream.ts';
import type { Admission } from '../admission.ts';
import { carryBytes, unlessAborted } from '../connections/carry-bytes.ts';
import type { ConnectionFacts } from '../connections/connection-facts.ts';
import type { LiveConnection } from '../connections/connection-tracker.ts';
import { sourceToKeep } from '../connections/original-source.ts';
import { awaitServedWorkload, type PodContext, servedWorkload } from '../connections/pod-context.ts';
import { decidePassthroughAdmission } from './passthrough-admission.ts';

export interface PassthroughConnection {
  readonly downstream: ByteStream;
  readonly source: SocketAddress;
  readonly originalDestination: SocketAddress;
  readonly listener: { readonly transparent: boolean };
}

/** Resolves when the connection has ended; never rejects. */
export async function carryPassthrough(context: PodContext, connection: PassthroughConnection): Promise<void> {
  const live = context.tracker.begin();
  try {
    const workload = servedWorkload(context) ?? (await unlessAborted(live, awaitServedWorkload(context)));
    await admit(context, connection, live, workload);
  } catch (cause) {
    const error = cause instanceof Error ? cause : new MeshError('INTERNAL', String(cause));
    const { source, originalDestination: destination } = connection;
    context.journal.deny({ source, destination, direction: 'inbound', error });
    connection.downstream.reset(error);
  } finally {
    live.end();
  }
}

/** @throws MeshError for a connection that does not count */
async function admit(
  context: PodContext,
  connection: PassthroughConnection,
  live: LiveConnection,
  workload: Workload,
): Promise<void> {
  const { mesh, illegalPorts } = context;
  const { downstream, source, originalDestination } = connection;
  const admission = decidePassthroughAdmission({ source, originalDestination, workload, mesh, illegalPorts });
  if (admission.kind === 'reject') throw new MeshError(admission.code, admission.detail);
  const entry = context.journal.open(factsOf(context, connection, workload, admission));
  if (admission.kind === 'deny') {
    const error = new MeshError(admission.code, admission.detail);
    downstream.reset(error);
    return entry.close(error);
  }
  live.state = {
    kind: 'inbound',
    route: { protocol: 'TCP', source, originalDestination: undefined, actualDestination: admission.upstream },
    admitted: { workload, source, destination: admission.upstream, sourceIdentity: undefined },
  };
  try {
    const upstream = await unlessAborted(live, dial(context, connection, admission.upstream), (late) => late.reset());
    entry.close(await carryBytes(live, downstream, upstream, entry.count));
  } catch (cause) {
    const error = cause instanceof Error ? cause : new MeshError('INTERNAL', String(cause));
    downstream.reset(error);
    entry.close(error);
  }
}

function dial(context: PodContext, connection: PassthroughConnection, to: SocketAddress): Promise<ByteStream> {
  const { source, listener } = connection;
  const from = sourceToKeep({ setting: context.originalSource, listener, source, destination: to });
  return context.sockets.connectStream(from === undefined ? { to } : { to, from });
}

function factsOf(
  { mesh, network }: PodContext,
  { source, originalDestination }: PassthroughConnection,
  workload: Workload,
  { service }: Exclude<Admission, { readonly kind: 'reject' }>,
): ConnectionFacts {
  return {
    direction: 'inbound',
    source: {
      address: source,
      workload: mesh.workloadByAddress(network, source.ip),
      claimed: undefined,
      identity: undefined,
    },
    destination: { address: originalDestination, workload, claimed: undefined, identity: undefined },
    hboneAuthority: undefined,
    service,
  };
}
