// The pod's port for all that comes without HBONE (15006): from outside the mesh, from pods that are not enrolled, from sidecars;
// redirected here by the kernel.
import type { Listener } from '../../common/net/socket-factory.ts';
import type { PodContext } from '../connections/pod-context.ts';
import { carryPassthrough } from './passthrough-connection.ts';

export async function listenPassthrough(context: PodContext, port: number): Promise<Listener> {
  const { openSockets, originalSource, sockets } = context;
  const options = { port, host: 'any', transparent: originalSource !== 'never', keepAlive: true } as const;
  const open = openSockets.destination;
  const listener = await sockets.listenStreams(options, ({ stream, peer, originalDestination }) => {
    void carryPassthrough(context, { downstream: stream, source: peer, originalDestination, listener, open });
  });
  return listener;
}
