// Turns a node:net server into a Listener: waits until it listens, names both ends of each connection, and hands the
// sockets over paused, half-open capable and with TCP_NODELAY. What redirection hid is asked of `originalDestination`.
import type { Server, Socket } from 'node:net';
import { formatSocketAddress, parseIp, type SocketAddress } from './address.ts';
import type { AcceptedSocket, Listener, ListenOptions } from './socket-factory.ts';
import { listenFailure } from './socket-failure.ts';

/** Options for `net.createServer`: what every accepted socket has from its first moment. */
export const acceptedSocketOptions = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true } as const;

export interface Acceptance {
  readonly options: ListenOptions;
  readonly transparent: boolean;
  /** Starts listening; 'listening' or 'error' follows. */
  listen(): void;
  /** What the peer dialled; `local` when nothing redirected the connection. */
  originalDestination(socket: Socket, local: SocketAddress): SocketAddress;
}

/** @param name the address as people read it, for error messages */
export function acceptConnections(
  server: Server,
  name: string,
  acceptance: Acceptance,
  onAccept: (accepted: AcceptedSocket) => void,
): Promise<Listener> {
  server.on('connection', (socket) => {
    const accepted = describe(socket, acceptance);
    if (accepted === undefined) socket.resetAndDestroy();
    else onAccept(accepted);
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenFailure(name, error)));
    server.once('listening', () => {
      // From now on an error means that one connection could not be accepted (no descriptors left): its client sees
      // the reset, the listener goes on.
      server.on('error', ignore);
      resolve({
        address: listeningAddress(server),
        transparent: acceptance.transparent,
        close: () => closeServer(server),
      });
    });
    acceptance.listen();
  });
}

function describe(socket: Socket, acceptance: Acceptance): AcceptedSocket | undefined {
  // Whoever takes the socket sees a failure in 'close'; without a listener an early reset would end the process.
  socket.on('error', ignore);
  // A peer that has already reset the connection leaves no addresses.
  const peer = endpoint(socket.remoteAddress, socket.remotePort);
  const local = endpoint(socket.localAddress, socket.localPort);
  if (peer === undefined || local === undefined) return undefined;
  const originalDestination = acceptance.originalDestination(socket, local);
  const looped = acceptance.options.accept === 'redirected' && originalDestination.port === local.port;
  return looped ? undefined : { socket, peer, local, originalDestination };
}

function endpoint(text: string | undefined, port: number | undefined): SocketAddress | undefined {
  // Link-local addresses carry a zone (`fe80::1%eth0`), which no workload is known by.
  const ip = text === undefined ? undefined : parseIp(text.replace(/%.*$/, ''));
  return ip === undefined || port === undefined ? undefined : { ip, port };
}

function listeningAddress(server: Server): SocketAddress {
  const address = server.address();
  const found = typeof address === 'object' && address !== null ? endpoint(address.address, address.port) : undefined;
  if (found === undefined) throw listenFailure(JSON.stringify(address), new Error('the socket has no address'));
  return found;
}

function closeServer(server: Server): Promise<void> {
  // The callback waits for accepted sockets too, which live on; the port itself is free at once.
  server.close();
  return Promise.resolve();
}

export function listenName(options: ListenOptions, any: string): string {
  if (options.host === 'any') return `${any}:${options.port}`;
  return options.host === 'loopback'
    ? `127.0.0.1:${options.port}`
    : formatSocketAddress({ ip: options.host, port: options.port });
}

function ignore(): void {
  // Seen by the owner through 'close'.
}
