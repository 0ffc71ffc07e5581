// Waits for a socket of node:net to connect, within a time limit; a MeshError that names the address otherwise.
import type { Socket } from 'node:net';
import { formatSocketAddress } from './address.ts';
import type { ConnectOptions } from './socket-factory.ts';
import { connectFailure, connectTimeout } from './socket-failure.ts';

export const defaultConnectTimeoutMs = 10_000;

/** ztunnel's `KEEPALIVE_TIME`, `_INTERVAL` and `_RETRIES` (ztunnel.md §2). */
export const keepAlive = { idleMs: 180_000, intervalMs: 180_000, probes: 9 } as const;

/** @param connect calls `socket.connect`; after a failure the socket is destroyed */
export function whenConnected(
  socket: Socket,
  { to, timeoutMs = defaultConnectTimeoutMs }: ConnectOptions,
  connect: () => void,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(connectTimeout(formatSocketAddress(to), timeoutMs));
    }, timeoutMs);
    // It stays after 'connect': until the new owner listens, an early reset must not end the process.
    socket.on('error', (error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(connectFailure(formatSocketAddress(to), error));
    });
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve(socket);
    });
    connect();
  });
}
