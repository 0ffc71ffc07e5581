// The pod's HBONE port (15008): mutual TLS with the certificate of the pod's identity, then CONNECT requests.
import type { TunnelServer } from '../../common/hbone/tunnel-server.ts';
import { createTunnelServer } from '../../common/hbone/tunnel-server.ts';
import type { FlowSettings } from '../../common/http2/settings.ts';
import type { CertificateSource } from '../../common/identity/certificate.ts';
import { identityOf } from '../../common/identity/identity.ts';
import type { Logger } from '../../common/log.ts';
import type { AcceptedSocket } from '../../common/net/socket-factory.ts';
import { carryInbound, type InboundContext } from './inbound-connection.ts';

export interface InboundListenerOptions {
  readonly port: number;
  readonly certificates: CertificateSource;
  readonly log: Logger;
  readonly flow: FlowSettings;
}

export interface InboundListener {
  /** Stops accepting; tunnels live on. */
  stop(): Promise<void>;
  /** Tunnels take no new streams and end with their last one. */
  drain(deadlineMs: number): Promise<void>;
  /** Ends every tunnel now. */
  close(): void;
}

export async function listenInbound(
  context: Omit<InboundContext, 'listener'>,
  { port, certificates, log, flow }: InboundListenerOptions,
): Promise<InboundListener> {
  const server = createTunnelServer({
    certificates,
    revocations: context.revocations,
    log,
    flow,
    identity: () => {
      const workload = context.workload.current();
      return workload === undefined ? undefined : identityOf(workload);
    },
    // Asked for only once a peer has been accepted below.
    onRequest: (request) => void carryInbound(inbound, request),
    onRefused({ peer: source, local: destination }, error) {
      context.journal.deny({ source, destination, direction: 'inbound', error });
    },
  });
  const options = { port, host: 'any', transparent: context.originalSource !== 'never' } as const;
  const listener = await context.sockets.listenSockets(options, (accepted) => void secure(context, server, accepted));
  const inbound: InboundContext = { ...context, listener };
  return {
    stop: () => listener.close(),
    drain: (deadlineMs) => server.drain(deadlineMs),
    close: () => server.close(),
  };
}

/** A pod of which the mesh has not told yet has no identity to answer with: its peers wait as long as its programs do. */
async function secure(
  { serving, workload, openSockets }: Omit<InboundContext, 'listener'>,
  server: TunnelServer,
  accepted: AcceptedSocket,
): Promise<void> {
  const { socket } = accepted;
  openSockets.destination.add(1);
  socket.once('close', () => openSockets.destination.add(-1));
  socket.on('error', () => {});
  await serving.opened;
  // A workload that stays unknown, and a peer that has gone, are refused by the server, which says why.
  await workload.get().catch(() => {});
  server.serve(accepted);
}
