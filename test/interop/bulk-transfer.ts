// More bytes than anybody can hold, one way and then the other over one connection: the client sends and half-closes, the
// server answers with the digest of what it got and then sends as much itself. Nothing is kept; both ends hash as they go.
import { createHash, randomFillSync } from 'node:crypto';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface BulkResult {
  /** SHA-256 of what was sent, by the sender; the same in both directions. */
  readonly sent: string;
  readonly arrivedAtServer: string;
  readonly arrivedAtClient: string;
}

const chunkBytes = 262_144;
const digestBytes = 64;
/** Chunks are windows of it at changing places, so that a chunk lost, repeated or moved changes the digest. */
const noise = randomFillSync(Buffer.allocUnsafe(16 * chunkBytes));

function* chunksOf(bytes: number): Generator<Buffer> {
  for (let left = bytes, at = 0; left > 0; at = (at + 104_729) % (noise.length - chunkBytes)) {
    const size = Math.min(left, chunkBytes);
    left -= size;
    yield noise.subarray(at, at + size);
  }
}

/** To the end of what comes; the socket may still write then. */
function chunksFrom(socket: Socket): AsyncIterable<Buffer> {
  return socket.iterator({ destroyOnReturn: false });
}

/** The server's side of one connection. */
export async function answerInBulk(socket: Socket): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of chunksFrom(socket)) {
    bytes += chunk.length;
    hash.update(chunk);
  }
  socket.write(hash.digest('hex'));
  await pipeline(Readable.from(chunksOf(bytes)), socket);
}

/** The client's side. */
export async function transferInBulk(socket: Socket, bytes: number): Promise<BulkResult> {
  const expected = createHash('sha256');
  for (const chunk of chunksOf(bytes)) expected.update(chunk);
  const [answer] = await Promise.all([readAnswer(socket), sendAll(socket, bytes)]);
  return { sent: expected.digest('hex'), ...answer };
}

async function sendAll(socket: Socket, bytes: number): Promise<void> {
  await pipeline(Readable.from(chunksOf(bytes)), socket);
}

async function readAnswer(socket: Socket): Promise<Omit<BulkResult, 'sent'>> {
  const hash = createHash('sha256');
  let arrivedAtServer = '';
  for await (const chunk of chunksFrom(socket)) {
    const head = Math.min(chunk.length, digestBytes - arrivedAtServer.length);
    arrivedAtServer += chunk.toString('latin1', 0, head);
    hash.update(chunk.subarray(head));
  }
  return { arrivedAtServer, arrivedAtClient: hash.digest('hex') };
}
