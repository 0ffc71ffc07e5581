// The explicit entry on 15080 for programs whose traffic is not captured: SOCKS5 and HTTP proxy on one port. It learns
// where the client wants to go, then hands the stream to the ordinary outbound path. Source: ztunnel.md §4.8.
import { MeshError } from '../../common/errors.ts';
import type { SocketAddress } from '../../common/net/address.ts';
import type { AcceptedStream, Listener } from '../../common/net/socket-factory.ts';
import type { Series } from '../../common/telemetry/recorder.ts';
import type { PodContext } from '../connections/pod-context.ts';
import { type EntryConnect, EntrySession } from './entry-session.ts';
import type { EntryTarget } from './entry-target.ts';
import { HandoverStream } from './handover-stream.ts';
import type { NameAnswer } from './resolve-name.ts';

export interface EntryContext extends PodContext {
  /** As DNS answers the pod's programs. */
  readonly findAddress: (hostname: string, peer: SocketAddress) => Promise<NameAnswer>;
  /** The outbound path; resolves when the connection has ended. */
  readonly carry: (connection: {
    readonly downstream: HandoverStream;
    readonly source: SocketAddress;
    readonly originalDestination: SocketAddress;
    readonly open: Series;
  }) => Promise<void>;
}

export interface EntryListenOptions {
  readonly port: number;
  readonly host: 'any' | 'loopback';
}

/** A client that does not say where it wants to go in this time is hung up on. */
const talkTimeoutMs = 10_000;

export function listenExplicitEntry(context: EntryContext, { port, host }: EntryListenOptions): Promise<Listener> {
  const options = { port, host, keepAlive: true } as const;
  return context.sockets.listenStreams(options, (accepted) => void serveClient(context, accepted));
}

async function serveClient(context: EntryContext, { stream, peer, local }: AcceptedStream): Promise<void> {
  const open = context.openSockets.source;
  open.add(1);
  const talk = await listenToClient(stream);
  // From here on whoever carries it counts it.
  open.add(-1);
  if (talk.kind === 'gone') return;
  const deny = (error: MeshError): void =>
    context.journal.deny({ source: peer, destination: local, direction: 'outbound', error });
  if (talk.kind === 'silent') {
    const waited = `the client did not say within ${talkTimeoutMs} ms where it wants to go`;
    return deny(new MeshError('TARGET_MALFORMED', `${waited}; this port speaks SOCKS5 and HTTP proxy`));
  }
  const { downstream } = talk;
  if (talk.kind === 'refused') {
    deny(new MeshError('TARGET_MALFORMED', talk.reason));
    return downstream.refuse(talk.reply);
  }
  const { step } = talk;
  downstream.handOver(step.first, { connected: step.connectedReply, failed: (error) => step.failedReply(error) });
  try {
    const originalDestination = await destinationOf(context, step.target, peer);
    await context.carry({ downstream, source: peer, originalDestination, open });
  } catch (cause) {
    const error = cause instanceof MeshError ? cause : new MeshError('INTERNAL', String(cause), { cause });
    deny(error);
    downstream.reset(error);
  }
}

type Talk =
  | { readonly kind: 'gone' }
  | { readonly kind: 'silent' }
  | { readonly kind: 'refused'; readonly downstream: HandoverStream; readonly reply: Buffer; readonly reason: string }
  | { readonly kind: 'asked'; readonly downstream: HandoverStream; readonly step: EntryConnect };

function listenToClient(stream: AcceptedStream['stream']): Promise<Talk> {
  return new Promise((resolve) => {
    const session = new EntrySession();
    const settle = (talk: Talk): void => {
      clearTimeout(timer);
      resolve(talk);
    };
    const timer = setTimeout(() => {
      settle({ kind: 'silent' });
      stream.reset();
    }, talkTimeoutMs);
    const downstream = new HandoverStream(
      stream,
      (chunk) => {
        const step = session.feed(chunk);
        if (step.kind === 'wait') return void (step.reply.length > 0 && stream.write(step.reply));
        stream.pause();
        if (step.kind === 'connect') return settle({ kind: 'asked', downstream, step });
        settle({ kind: 'refused', downstream, reply: step.reply, reason: step.reason });
      },
      () => settle({ kind: 'gone' }),
    );
  });
}

/** @throws MeshError NO_HEALTHY_UPSTREAM, TARGET_UNKNOWN, WORKLOAD_UNKNOWN */
async function destinationOf(context: EntryContext, target: EntryTarget, peer: SocketAddress): Promise<SocketAddress> {
  if (target.kind === 'address') return target.address;
  const { hostname, port } = target;
  const { namespace: clientNamespace } = context.workload.name;
  const answer = await context.findAddress(hostname, peer);
  if (answer.kind === 'address') return { ip: answer.ip, port };
  if (answer.kind === 'no-address') {
    const { namespace, name } = answer.service;
    throw new MeshError(
      'NO_HEALTHY_UPSTREAM',
      `${hostname}: service ${namespace}/${name} has no address and no endpoint`,
    );
  }
  const tried = `the mesh has no such service for namespace ${clientNamespace}, and DNS has no address`;
  throw new MeshError('TARGET_UNKNOWN', `no service or workload for hostname: ${hostname}: ${tried}`);
}
