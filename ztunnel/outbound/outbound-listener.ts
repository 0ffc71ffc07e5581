// The pod's outbound port (15001): connections that its programs opened and the kernel redirected here.
import type { Listener } from '../../common/net/socket-factory.ts';
import { carryOutbound, type OutboundContext } from './outbound-connection.ts';

export function listenOutbound(context: OutboundContext, port: number): Promise<Listener> {
  const { openSockets, originalSource, sockets } = context;
  const options = { port, host: 'any', transparent: originalSource !== 'never', keepAlive: true } as const;
  return sockets.listenStreams(options, async ({ stream, peer, originalDestination }) => {
    openSockets.source.add(1);
    await carryOutbound(context, { downstream: stream, source: peer, originalDestination });
    openSockets.source.add(-1);
  });
}
