// The pod's outbound port (15001): connections that its programs opened and the kernel redirected here.
import { MeshError } from '../../common/errors.ts';
import type { Listener } from '../../common/net/socket-factory.ts';
import { describeSelfCall } from '../illegal-ports.ts';
import { carryOutbound, type OutboundContext } from './outbound-connection.ts';

/** What dialled this port itself was not redirected: carrying it would lead back here for ever. */
export function listenOutbound(context: OutboundContext, port: number): Promise<Listener> {
  const { journal, openSockets, originalSource, sockets } = context;
  const options = { port, host: 'any', transparent: originalSource !== 'never', keepAlive: true } as const;
  return sockets.listenStreams(options, (accepted) => {
    const { stream, peer, originalDestination } = accepted;
    if (originalDestination.port === port && originalDestination.ip === accepted.local.ip) {
      const error = new MeshError('SELF_CALL', describeSelfCall(originalDestination));
      journal.deny({ source: peer, destination: originalDestination, direction: 'outbound', error });
      return stream.reset(error);
    }
    void carryOutbound(context, { downstream: stream, source: peer, originalDestination, open: openSockets.source });
  });
}
