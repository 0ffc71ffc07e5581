// A TCP link on loopback that can be cut and joined again: what stands at its ends sees an outage of the network.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface SeverableLink {
  readonly port: number;
  /** Ends what runs over it, and refuses what comes. */
  sever(): void;
  join(): void;
  close(): Promise<void>;
}

export async function createSeverableLink(toPort: number): Promise<SeverableLink> {
  const sockets = new Set<Socket>();
  let state: 'joined' | 'severed' = 'joined';
  const follow = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer((near) => {
    follow(near);
    if (state === 'severed') {
      near.destroy();
      return;
    }
    const far = connect(toPort, '127.0.0.1');
    follow(far);
    near.pipe(far).pipe(near);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sever = (): void => {
    state = 'severed';
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    sever,
    join: () => {
      state = 'joined';
    },
    async close() {
      sever();
      server.close();
      await once(server, 'close');
    },
  };
}
