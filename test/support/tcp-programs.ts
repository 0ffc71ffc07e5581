// Programs of pods, for tests: servers on a loopback address and clients that go through a pod's explicit entry (SOCKS5).
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface Program {
  readonly port: number;
  readonly connections: readonly Socket[];
  close(): Promise<void>;
}

/** @param serve gets each connection; half-open is allowed, as for a program that reads to the end before it answers */
export async function startProgram(host: string, port: number, serve: (socket: Socket) => void): Promise<Program> {
  const connections: Socket[] = [];
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    connections.push(socket);
    socket.on('error', () => {});
    serve(socket);
  });
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    connections,
    async close() {
      for (const socket of connections) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export const echo = (socket: Socket): void => void socket.pipe(socket);

/** Reads everything, then answers with the length. */
export function countToEnd(socket: Socket): void {
  let bytes = 0;
  socket.on('data', (chunk) => {
    bytes += chunk.length;
  });
  socket.on('end', () => socket.end(`${bytes} bytes`));
}

export type Through =
  | { readonly kind: 'connected'; readonly socket: Socket }
  /** Code of the SOCKS5 reply. */
  | { readonly kind: 'refused'; readonly reply: number };

/** Connects from the pod at `pod` to a name or an IPv4 address, through its entry on 15080. */
export async function connectThrough(pod: string, host: string, port: number): Promise<Through> {
  const socket = connect({ host: pod, port: 15_080, localAddress: pod, allowHalfOpen: true, noDelay: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  const name = Buffer.from(host);
  const portBytes = Buffer.from([port >> 8, port & 0xff]);
  socket.write(Buffer.concat([Buffer.from([5, 1, 0, 5, 1, 0, 3, name.length]), name, portBytes]));
  const reply = await readExactly(socket, 12);
  const code = reply[3] ?? 255;
  if (code === 0) return { kind: 'connected', socket };
  socket.destroy();
  return { kind: 'refused', reply: code };
}

/** @throws when it is refused */
export async function mustConnectThrough(pod: string, host: string, port: number): Promise<Socket> {
  const through = await connectThrough(pod, host, port);
  if (through.kind === 'refused') throw new Error(`refused with ${through.reply}`);
  return through.socket;
}

export async function readExactly(socket: Socket, length: number): Promise<Buffer> {
  for (;;) {
    const chunk: Buffer | null = socket.read(length);
    if (chunk !== null) return chunk;
    if (socket.readableEnded || socket.destroyed) throw new Error('the connection ended too early');
    await Promise.race([once(socket, 'readable'), once(socket, 'end'), once(socket, 'close')]);
  }
}

export async function readToEnd(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks).toString('latin1');
}

/** `end`, or the code of the error that closed it. */
export async function howItEnds(socket: Socket): Promise<string> {
  socket.resume();
  return await new Promise((resolve) => {
    let ending = 'end';
    socket.on('error', (error: Error & { code?: string }) => {
      ending = error.code ?? error.message;
    });
    socket.on('end', () => socket.end());
    if (socket.destroyed) resolve(ending);
    socket.on('close', () => resolve(ending));
  });
}
