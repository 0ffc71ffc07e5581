// Sockets of this process itself, on node:net alone: the explicit mode, the waypoint, tests, machines without koffi.
// Nothing is redirected here, so the original destination of an accepted connection is its local end.
import { createServer, Socket } from 'node:net';
import { type IpAddress, ipFamily, isLoopback } from './address.ts';
import { bindDatagrams, connectDatagrams } from './datagram-socket.ts';
import type { ConnectOptions, ListenOptions, SocketFactory } from './socket-factory.ts';
import { errnoOf } from './socket-failure.ts';
import { withStreams } from './sockets-as-streams.ts';
import { acceptConnections, acceptedSocketOptions, listenName } from './tcp-accept-socket.ts';
import { keepAlive, whenConnected } from './tcp-connect-socket.ts';

export interface PlainSocketFactoryOptions {
  /** The pod's own address where pods share a namespace: 'any' binds it, and connections leave from it. */
  readonly bindAddress?: IpAddress;
  /** Several threads listen on the same ports, and connections are spread over them. Default false: a port that is taken is an error. */
  readonly reusePort?: boolean;
}

const backlog = 1024;
const dialledSocketOptions = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: keepAlive.idleMs,
} as const;

export function createPlainSocketFactory({
  bindAddress,
  reusePort = false,
}: PlainSocketFactoryOptions = {}): SocketFactory {
  return withStreams({
    listenSockets: (options, onAccept) => {
      const server = createServer({
        ...acceptedSocketOptions,
        keepAlive: options.keepAlive === true,
        keepAliveInitialDelay: keepAlive.idleMs,
      });
      const host = listenHost(options, bindAddress);
      const acceptance = {
        options,
        transparent: false,
        // Without a host, node binds `::` for both families, or 0.0.0.0 where IPv6 is off.
        listen: () =>
          void server.listen({ port: options.port, backlog, reusePort, ...(host === undefined ? {} : { host }) }),
        originalDestination: (_socket: Socket, local: ConnectOptions['to']) => local,
      };
      return acceptConnections(server, listenName(options, bindAddress ?? '*'), acceptance, onAccept);
    },
    connectSocket: async (options) => {
      const source = sourceOf(options, bindAddress);
      if (source === undefined) return await dial(options);
      try {
        return await dial(options, source);
      } catch (error) {
        // Best effort, as ztunnel: a source address that is not ours needs IP_TRANSPARENT, which is not had here.
        if (error instanceof Error && sourceRefusals.has(errnoOf(error.cause) ?? '')) return await dial(options);
        throw error;
      }
    },
    bindDatagrams: (address) => bindDatagrams(address, reusePort),
    connectDatagrams: (to) => connectDatagrams(to),
    close: () => {},
  });
}

const sourceRefusals = new Set(['EADDRNOTAVAIL', 'EINVAL']);

function listenHost({ host }: ListenOptions, bindAddress: IpAddress | undefined): string | undefined {
  if (host === 'any') return bindAddress;
  return host === 'loopback' ? '127.0.0.1' : host;
}

/** A loopback source reaches only loopback destinations (the kernel answers EINVAL), and families must agree. */
function sourceOf({ from, to }: ConnectOptions, bindAddress: IpAddress | undefined): IpAddress | undefined {
  const source = from === undefined || from === to.ip ? bindAddress : from;
  if (source === undefined || ipFamily(source) !== ipFamily(to.ip)) return undefined;
  return isLoopback(source) && !isLoopback(to.ip) ? undefined : source;
}

function dial(options: ConnectOptions, localAddress?: IpAddress): Promise<Socket> {
  const socket = new Socket(dialledSocketOptions);
  const source = localAddress === undefined ? {} : { localAddress };
  return whenConnected(
    socket,
    options,
    () => void socket.connect({ host: options.to.ip, port: options.to.port, ...source }),
  );
}
