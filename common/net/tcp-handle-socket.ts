// Accepts TCP connections as handles, without an object of node:net each. In: prepared descriptors. Out: handles and their
// addresses, or MeshErrors that name the address. Hot path: test/bench/tunnel.ts (connect64).

import { Socket } from 'node:net';
import { parseIp, type SocketAddress } from './address.ts';
import { decodeSockaddr } from './sockaddr-codec.ts';
import type { Listener } from './socket-factory.ts';
import { listenFailure } from './socket-failure.ts';
import { createTcpHandle, errorOf, type HandleAddress, type TcpHandle } from './stream-handle-socket.ts';
import type { AcceptedDescriptor } from './system-calls-socket.ts';

export interface HandleListening {
  /** Bound, not yet listening; it belongs to the listener from now on. */
  readonly descriptor: number;
  readonly transparent: boolean;
  readonly backlog: number;
  /** The address as people read it, for messages. */
  readonly name: string;
  /** Takes another connection from the listener's queue; undefined when there is none. */
  readonly acceptNext: () => AcceptedDescriptor | undefined;
}

/** As many as are taken at once before others have their turn. */
const acceptBatch = 64;

/**
 * @param onAccept `peer` is undefined when it has already reset the connection
 * @throws MeshError ADDRESS_IN_USE, NOT_PERMITTED, IO_FAILED
 */
export function listenHandles(
  { descriptor, transparent, backlog, name, acceptNext }: HandleListening,
  onAccept: (handle: TcpHandle, peer: SocketAddress | undefined) => void,
): Listener {
  const server = createTcpHandle('listener');
  let state: 'open' | 'closed' = 'open';
  // A failed accept (no descriptors left) concerns one client, who sees the reset; the listener goes on.
  server.onconnection = (status, handle) => {
    if (status !== 0 || handle === undefined) return;
    onAccept(handle, peerAddressOf(handle));
    // libuv takes one in each turn of the event loop; together they share what a turn costs.
    for (let count = 1; count < acceptBatch && state === 'open'; count += 1) {
      const next = acceptNext();
      if (next === undefined) return;
      const other = createTcpHandle('socket');
      const peer = decodeSockaddr(next.sockaddr);
      if (other.open(next.descriptor) === 0) onAccept(other, peer);
    }
  };
  for (const status of [server.open(descriptor), server.listen(backlog)]) {
    if (status !== 0) throw listenFailure(name, errorOf('listen', status));
  }
  const address = localAddressOf(server);
  if (address === undefined) throw listenFailure(name, new Error('the socket has no address'));
  return {
    address,
    transparent,
    close: () =>
      new Promise((resolve) => {
        if (state === 'closed') return resolve();
        state = 'closed';
        server.close(resolve);
      }),
  };
}

/** Paused and allowHalfOpen, as accepted sockets are. @param start is read before what comes */
export function socketOfHandle(handle: TcpHandle, start: Buffer): Socket {
  // Not in node's documentation: a handle of libuv, and `pauseOnCreate` without which it would read at once.
  const options: object = { allowHalfOpen: true, handle, pauseOnCreate: true };
  const socket = new Socket(options);
  // Whoever takes the socket sees a failure in 'close'; without a listener an early reset would end the process.
  socket.on('error', () => {});
  if (start.length > 0) socket.unshift(start);
  return socket;
}

/** Undefined when the peer has already reset the connection. */
function peerAddressOf(handle: TcpHandle): SocketAddress | undefined {
  return handle.getpeername(found) === 0 ? socketAddress(found) : undefined;
}

export function localAddressOf(handle: TcpHandle): SocketAddress | undefined {
  return handle.getsockname(found) === 0 ? socketAddress(found) : undefined;
}

/** Where handles tell their addresses, one after the other. */
const found: Partial<HandleAddress> = {};

function socketAddress({ address, port }: Partial<HandleAddress>): SocketAddress | undefined {
  if (address === undefined || port === undefined) return undefined;
  // Link-local addresses carry a zone (`fe80::1%eth0`), which no workload is known by.
  const plain = address.includes('%') ? address.replace(/%.*$/, '') : address;
  // The usual case on a listener of both families, without parsing as IPv6.
  const ip = parseIp(plain.startsWith('::ffff:') && plain.includes('.') ? plain.slice(7) : plain);
  return ip === undefined ? undefined : { ip, port };
}
