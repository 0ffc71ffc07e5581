// One connection into a pod without HBONE, from accept to end: find out who calls, admit it, connect to the application as its real
// peer, carry the bytes. Source: ztunnel.md §4.7, §10; sidecars: waypoint-telemetry.md §5.1.
import { asError, MeshError } from '../../common/errors.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { SocketAddress } from '../../common/net/address.ts';
import type { ByteStream } from '../../common/net/byte-stream.ts';
import type { AcceptedByteStream } from '../../common/net/socket-factory.ts';
import type { Series } from '../../common/telemetry/recorder.ts';
import type { Admission } from '../admission.ts';
import { carryBytes, resetLate, unlessAborted } from '../connections/carry-bytes.ts';
import type { ConnectionFacts } from '../connections/connection-facts.ts';
import type { LiveConnection } from '../connections/connection-tracker.ts';
import { learnCaller } from '../connections/learn-missed.ts';
import { sourceToKeep } from '../connections/original-source.ts';
import { awaitServedWorkload, type PodContext, servedWorkload } from '../connections/pod-context.ts';
import { decidePassthroughAdmission } from './passthrough-admission.ts';
import { type Caller, receiveCaller, type SecuredCaller } from './receive-caller.ts';

export interface PassthroughConnection {
  readonly downstream: AcceptedByteStream;
  readonly source: SocketAddress;
  readonly originalDestination: SocketAddress;
  readonly listener: { readonly transparent: boolean };
  /** A gauge of the connections that live. */
  readonly open?: Series;
}

/** Resolves when the connection is being carried, or has failed; never rejects. */
export async function carryPassthrough(context: PodContext, connection: PassthroughConnection): Promise<void> {
  const live = context.tracker.begin(connection.open);
  let stream: ByteStream = connection.downstream;
  try {
    const workload = servedWorkload(context) ?? (await unlessAborted(live, awaitServedWorkload(context)));
    const { mesh, demand, network } = context;
    if (demand !== undefined) {
      const { ip } = connection.source;
      await unlessAborted(
        live,
        learnCaller(mesh, demand, (known) => void known.workloadByAddress(network, ip)),
      );
    }
    const caller = await receiveCaller(context, live, {
      stream: connection.downstream,
      source: connection.source,
      workload,
      plainIs: () => (decide(context, connection, workload, undefined).kind === 'admit' ? 'admitted' : 'refused'),
    });
    stream = caller.stream;
    await admit(context, connection, live, workload, caller);
  } catch (cause) {
    const error = asError(cause);
    const { source, originalDestination: destination } = connection;
    context.journal.deny({ source, destination, direction: 'inbound', error });
    stream.reset(error);
    live.end();
  }
}

function decide(
  { mesh, illegalPorts }: PodContext,
  { source, originalDestination }: PassthroughConnection,
  workload: Workload,
  secured: SecuredCaller | undefined,
): Admission {
  const { identity, host } = secured ?? {};
  return decidePassthroughAdmission({ source, originalDestination, identity, host, workload, mesh, illegalPorts });
}

/** @throws MeshError for a connection that does not count */
async function admit(
  context: PodContext,
  connection: PassthroughConnection,
  live: LiveConnection,
  workload: Workload,
  { stream: downstream, secured }: Caller,
): Promise<void> {
  const { source } = connection;
  const admission = decide(context, connection, workload, secured);
  if (admission.kind === 'reject') throw new MeshError(admission.code, admission.detail);
  const entry = context.journal.open(factsOf(context, connection, workload, secured, admission));
  if (admission.kind === 'deny') {
    const error = new MeshError(admission.code, admission.detail);
    downstream.reset(error);
    entry.close(error);
    return live.end();
  }
  live.state = {
    kind: 'inbound',
    route: { protocol: 'TCP', source, originalDestination: undefined, actualDestination: admission.upstream },
    admitted: { workload, source, destination: admission.upstream, sourceIdentity: secured?.identity },
  };
  try {
    const upstream = await unlessAborted(live, dial(context, connection, admission.upstream), resetLate);
    carryBytes(live, downstream, upstream, entry);
  } catch (cause) {
    const error = asError(cause);
    downstream.reset(error);
    entry.close(error);
    live.end();
  }
}

function dial(context: PodContext, connection: PassthroughConnection, to: SocketAddress): Promise<ByteStream> {
  const { source, listener } = connection;
  const from = sourceToKeep({ setting: context.originalSource, listener, source, destination: to });
  return context.sockets.connectStream({ to, within: 'pod', ...(from === undefined ? {} : { from }) });
}

function factsOf(
  { mesh, network }: PodContext,
  { source, originalDestination }: PassthroughConnection,
  workload: Workload,
  secured: SecuredCaller | undefined,
  { service }: Exclude<Admission, { readonly kind: 'reject' }>,
): ConnectionFacts {
  return {
    direction: 'inbound',
    source: {
      address: source,
      workload: mesh.workloadByAddress(network, source.ip),
      claimed: secured?.claimed,
      identity: secured?.identity,
    },
    destination: {
      address: originalDestination,
      workload,
      claimed: undefined,
      identity: secured?.localIdentity,
    },
    hboneAuthority: undefined,
    service,
  };
}
