// Completes a factory of sockets to a SocketFactory: its streams stand on the same sockets.
import type { SocketFactory } from './socket-factory.ts';
import { streamOfSocket } from './tcp-stream-socket.ts';

export type SocketsOnly = Omit<SocketFactory, 'listenStreams' | 'connectStream'>;

export function withStreams(sockets: SocketsOnly): SocketFactory {
  return {
    ...sockets,
    listenStreams: (options, onAccept) =>
      sockets.listenSockets(options, ({ socket, ...accepted }) =>
        onAccept({ ...accepted, stream: streamOfSocket(socket) }),
      ),
    connectStream: async (options) => streamOfSocket(await sockets.connectSocket(options)),
  };
}
