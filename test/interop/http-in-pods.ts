// HTTP between applications of captured pods: a server that answers a few paths, and requests to it by a service's address, with
// bodies of any size that are never held whole. Both live in this process; their sockets stand in the pods.
import { createCipheriv, createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { Test } from 'tap';
import { ip } from '../support/pod-network.ts';
import type { PodSide } from './pod-side.ts';

export interface HttpTarget {
  readonly address: string;
  readonly port: number;
  readonly host: string;
}

export interface HttpAnswer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** `/echo` gives the body back, `/digest` its SHA-256, `/bytes/N` N bytes that `bytesOf(N)` makes too, all else its own path. */
export async function serveHttp(t: Test, { asApplication }: PodSide, port: number): Promise<void> {
  const server = createServer(async (asked, answer) => {
    const path = (asked.url ?? '').split('?')[0] ?? '';
    const [, size] = /^\/bytes\/(\d+)$/.exec(path) ?? [];
    // A client that goes away ends its request, not the server.
    const failed = (): void => void answer.destroy();
    if (path === '/echo') await pipeline(asked, answer.writeHead(202)).catch(failed);
    else if (path === '/digest') answer.end(await digest(asked).catch(failed));
    else if (size !== undefined) await pipeline(bytesOf(Number(size)), answer).catch(failed);
    else answer.end(path);
  });
  const listener = await asApplication.listenSockets({ port, host: 'any' }, ({ socket }) => {
    socket.on('error', () => socket.destroy());
    server.emit('connection', socket);
    socket.resume();
  });
  t.teardown(async () => {
    server.closeAllConnections();
    await listener.close();
  });
}

/** @throws what the connection died of, such as ECONNRESET */
export async function ask(
  from: PodSide,
  to: HttpTarget,
  method: string,
  path: string,
  body?: Readable | string,
): Promise<HttpAnswer> {
  const answer = await send(from, to, method, path, body);
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) };
}

/** SHA-256 of what comes back, which is not kept. */
export async function askDigest(from: PodSide, to: HttpTarget, path: string): Promise<string> {
  return await digest(await send(from, to, 'GET', path));
}

async function send(
  from: PodSide,
  to: HttpTarget,
  method: string,
  path: string,
  body?: Readable | string,
): Promise<IncomingMessage> {
  const socket = await from.asApplication.connectSocket({
    to: { ip: ip(to.address), port: to.port },
    timeoutMs: 10_000,
  });
  const headers = { host: to.host, connection: 'close' };
  const call = request({ method, path, headers, createConnection: () => socket });
  const answered = once(call, 'response');
  if (body instanceof Readable) await Promise.all([pipeline(body, call), answered]);
  else call.end(body);
  return (await answered)[0];
}

/** That many bytes, always the same, which no compression makes smaller. */
export function bytesOf(size: number): Readable {
  return Readable.from(chunksOf(size));
}

function* chunksOf(size: number): Iterable<Buffer> {
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16));
  const chunk = Buffer.alloc(1 << 18);
  for (let left = size; left > 0; left -= chunk.length)
    yield stream.update(chunk.subarray(0, Math.min(left, chunk.length)));
}

export async function digestOfBytes(size: number): Promise<string> {
  return await digest(bytesOf(size));
}

async function digest(stream: Readable): Promise<string> {
  const hash: Hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest('hex');
}
