// A TCP link on loopback whose connections can each be stalled: what the client sends is no longer read, as by a peer that hangs.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';

export interface Link {
  /** From which the far end sees it come. */
  readonly port: number;
  readonly closed: Promise<void>;
  stall(): void;
  resume(): void;
}

export interface StallableLink {
  readonly port: number;
  /** In the order in which they were made. */
  readonly links: readonly Link[];
  /** Connections that were refused. */
  readonly refused: number;
  refuse(): void;
}

export async function createStallableLink(t: Test, toPort: number): Promise<StallableLink> {
  const links: Link[] = [];
  const sockets = new Set<Socket>();
  let state: 'joined' | 'refusing' = 'joined';
  let refused = 0;
  const server = createServer({ pauseOnConnect: true, noDelay: true }, async (near) => {
    near.on('error', () => {});
    if (state === 'refusing') {
      refused += 1;
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: toPort, host: '127.0.0.1', noDelay: true });
    far.on('error', () => {});
    sockets.add(near).add(far);
    const closed = new Promise<void>((resolve) => near.on('close', () => resolve()));
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    await once(far, 'connect');
    far.pipe(near);
    near.pipe(far);
    const stall = (): void => {
      near.unpipe(far);
      near.pause();
    };
    links.push({ port: (far.address() as AddressInfo).port, closed, stall, resume: () => near.pipe(far) });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    links,
    get refused() {
      return refused;
    },
    refuse: () => {
      state = 'refusing';
    },
  };
}
