// UDP sockets on node:dgram: opened by node for this process, or adopted from a descriptor that stands in a pod. Each is handed out
// bound or connected; from then on it is its user's, who listens to its messages and errors and closes it.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { formatSocketAddress, ipFamily, type SocketAddress } from './address.ts';
import { connectFailure, listenFailure } from './socket-failure.ts';

/** Answers of services with many endpoints are sent at once. */
const bufferBytes = 256 * 1024;

/** @throws MeshError ADDRESS_IN_USE, NOT_PERMITTED, IO_FAILED */
export async function bindDatagrams(address: SocketAddress, reusePort: boolean): Promise<Socket> {
  const type = typeOf(address);
  const socket = createSocket({ type, reusePort, ipv6Only: type === 'udp6', recvBufferSize: bufferBytes });
  try {
    const bound = once(socket, 'listening');
    socket.bind({ address: address.ip, port: address.port, exclusive: true });
    await bound;
    return socket;
  } catch (error) {
    socket.close();
    throw listenFailure(`${formatSocketAddress(address)} (UDP)`, error);
  }
}

/** @param descriptor bound already; the socket closes it */
export function adoptDatagrams(descriptor: number, address: SocketAddress): Socket {
  const socket = createSocket({ type: typeOf(address) });
  socket.bind({ fd: descriptor, exclusive: true });
  return socket;
}

/**
 * From a port that the kernel picks at random; messages of anybody else do not come.
 * @param descriptor not bound; undefined: one of this process
 * @throws MeshError UPSTREAM_UNREACHABLE, IO_FAILED
 */
export async function connectDatagrams(to: SocketAddress, descriptor?: number): Promise<Socket> {
  const socket = descriptor === undefined ? createSocket({ type: typeOf(to) }) : adoptDatagrams(descriptor, to);
  try {
    const connected = once(socket, 'connect');
    socket.connect(to.port, to.ip);
    await connected;
    return socket;
  } catch (error) {
    socket.close();
    throw connectFailure(`${formatSocketAddress(to)} (UDP)`, error);
  }
}

function typeOf({ ip }: SocketAddress): 'udp4' | 'udp6' {
  return ipFamily(ip) === 4 ? 'udp4' : 'udp6';
}
