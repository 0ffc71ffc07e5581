// The plain-text port of one pod, in this process: what the kernel would redirect there is dialled at the port itself.
import { createGate } from '../../common/gate.ts';
import type { WorkloadName } from '../../common/mesh/mesh-view.ts';
import type { SocketAddress } from '../../common/net/address.ts';
import { createPodSocketFactory } from '../../common/net/pod-socket-factory-socket.ts';
import type { SocketFactory } from '../../common/net/socket-factory.ts';
import { closeRevokedConnections } from '../../ztunnel/connections/close-revoked.ts';
import { type ConnectionTracker, createConnectionTracker } from '../../ztunnel/connections/connection-tracker.ts';
import { createLocalWorkload } from '../../ztunnel/connections/local-workload.ts';
import { illegalPorts } from '../../ztunnel/illegal-ports.ts';
import type { NodeServices } from '../../ztunnel/inpod/pod-proxy.ts';
import { podPorts } from '../../ztunnel/inpod/pod-proxy.ts';
import { listenPassthrough } from '../../ztunnel/passthrough/passthrough-listener.ts';

export interface PassthroughPod {
  /** Callers dial it in place of the application. */
  readonly port: number;
  readonly connections: ConnectionTracker;
  close(): Promise<void>;
}

/** @param application what the callers mean: the pod's address and the application's port */
export async function startPassthroughPod(
  services: NodeServices,
  name: WorkloadName,
  application: SocketAddress,
): Promise<PassthroughPod> {
  const { config, mesh, journal, openSockets, certificates, revocations, peerClaims } = services;
  const serving = createGate();
  serving.open();
  const connections = createConnectionTracker();
  const unsubscribe = closeRevokedConnections(mesh, connections);
  const context = {
    ...{ mesh, network: config.network, journal, openSockets, certificates, revocations, peerClaims, serving },
    workload: createLocalWorkload({ mesh, name, nodeName: undefined }),
    sockets: redirecting(createPodSocketFactory({ namespace: 'own' }), application),
    illegalPorts: illegalPorts({ ...podPorts, socks5: undefined }),
    tracker: connections,
    originalSource: config.originalSource,
  };
  const listener = await listenPassthrough(context, 0);
  return {
    port: listener.address.port,
    connections,
    async close() {
      unsubscribe();
      await listener.close();
    },
  };
}

function redirecting(factory: SocketFactory, originalDestination: SocketAddress): SocketFactory {
  return {
    ...factory,
    listenStreams: (options, onAccept) =>
      factory.listenStreams(options, ({ stream, peer, local }) =>
        onAccept({ stream, peer, local, originalDestination }),
      ),
  };
}
