// The applications of both pods, on sockets that stand in the pods and are captured there: servers with several manners
// of using a connection, and clients for them. They live in this process, so a test sees both ends.
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { Test } from 'tap';
import type { SocketAddress } from '../../common/net/address.ts';
import { ip } from '../support/pod-network.ts';
import { answerInBulk } from './bulk-transfer.ts';
import type { PodSide } from './pod-side.ts';
import { appPorts, forbiddenPort, type MeshPod } from './two-pod-mesh.ts';

export interface Heard {
  readonly digest: string;
  /** The client's address as the application sees it. */
  readonly from: string | undefined;
}

export interface PodApplication {
  /** Settles with what the next client of `speaksFirst` says after the server has ended. */
  nextHeard(): Promise<Heard>;
  /** Connections open now on the port that echoes. */
  readonly echoing: () => number;
  /** Connections accepted so far on the port that the policy of the pod forbids. */
  readonly forbidden: () => number;
}

export async function startApplication(t: Test, { asApplication }: PodSide): Promise<PodApplication> {
  const listeners: ((heard: Heard) => void)[] = [];
  const echoing = new Set<Socket>();
  let forbidden = 0;
  const serve = async (port: number, manner: (socket: Socket) => Promise<unknown> | unknown): Promise<void> => {
    const listener = await asApplication.listenSockets({ port, host: 'any' }, async ({ socket }) => {
      t.teardown(() => socket.destroy());
      // A client that goes away ends its connection, not the server.
      await Promise.resolve(manner(socket)).catch(() => socket.destroy());
    });
    t.teardown(() => listener.close());
  };
  await serve(appPorts.returns, async (socket) => socket.end(await buffer(socket)));
  await serve(appPorts.echoes, (socket) => {
    echoing.add(socket);
    socket.on('close', () => echoing.delete(socket)).pipe(socket);
  });
  await serve(appPorts.speaksFirst, async (socket) => {
    const from = socket.remoteAddress;
    socket.end('welcome');
    const digest = digestOf(await buffer(socket));
    listeners.shift()?.({ digest, from });
  });
  await serve(appPorts.bulk, answerInBulk);
  await serve(appPorts.resets, (socket) => void socket.once('data', () => socket.resetAndDestroy()).resume());
  await serve(forbiddenPort, () => void forbidden++);
  return {
    nextHeard: () => new Promise((resolve) => listeners.push(resolve)),
    echoing: () => echoing.size,
    forbidden: () => forbidden,
  };
}

export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** By the pod's own address and port. */
export function podAddress(pod: MeshPod, port: number): SocketAddress {
  return { ip: ip(pod.address), port };
}

/** By its service's. */
export function serviceAddress(pod: MeshPod, targetPort: number): SocketAddress {
  return { ip: ip(pod.vip), port: targetPort - 8000 };
}

/** Captured, as all programs of the pod are: it succeeds at once, for it is the pod's own proxy that accepts. */
export async function connectFrom(t: Test, side: PodSide, to: SocketAddress): Promise<Socket> {
  const socket = await side.asApplication.connectSocket({ to, timeoutMs: 5_000 });
  t.teardown(() => socket.destroy());
  return socket;
}

/** Sends all, ends, and reads to the end. @throws what the connection died of, such as ECONNRESET */
export async function exchange(t: Test, side: PodSide, to: SocketAddress, payload: Uint8Array): Promise<Buffer> {
  const socket = await connectFrom(t, side, to);
  socket.end(payload);
  return await buffer(socket);
}
