// A net.Socket or TLSSocket (paused, allowHalfOpen, connected) as a ByteStream. In: a socket, which belongs to the stream from
// then on. Out: chunks as Node read them; losses as MeshErrors CONNECTION_RESET or IO_FAILED with the cause.
import type { Socket } from 'node:net';
import { MeshError } from '../errors.ts';
import type { ByteSink } from './byte-stream.ts';
import type { AcceptedByteStream } from './socket-factory.ts';
import { connectionLoss } from './socket-failure.ts';

export function streamOfSocket(socket: Socket): AcceptedByteStream {
  return new SocketStream(socket, undefined);
}

/** @param transport what TLS stands on, so that a reset is one for the peer, too */
export function streamOfTls(socket: Socket, transport: Socket): AcceptedByteStream {
  return new SocketStream(socket, transport);
}

class SocketStream implements AcceptedByteStream {
  private readonly socket: Socket;
  private readonly transport: Socket | undefined;
  private readonly peer: string;
  private sink: ByteSink | undefined;
  private failure: Error | undefined;
  private state: 'open' | 'closed' = 'open';
  private ended = false;

  constructor(socket: Socket, transport: Socket | undefined) {
    this.socket = socket;
    this.transport = transport;
    this.peer = `${socket.remoteAddress ?? 'a peer that is gone'}:${socket.remotePort ?? 0}`;
    // From the first moment: an error without a listener would end the process.
    socket.on('error', (error) => {
      this.failure ??= connectionLoss(this.peer, error);
    });
    socket.on('close', () => this.closed());
  }

  open(sink: ByteSink): void {
    this.sink = sink;
    if (this.socket.destroyed && this.state === 'closed') {
      setImmediate(() => sink.onClose(this.closeReason()));
      return;
    }
    this.socket.on('data', (chunk: Buffer) => sink.onData(chunk));
    this.socket.on('end', () => {
      this.ended = true;
      sink.onEnd();
    });
    this.socket.on('drain', () => {
      if (!this.socket.writableEnded) sink.onWritable();
    });
    this.socket.resume();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  write(chunk: Buffer): boolean {
    if (!this.socket.writable) return false;
    return this.socket.write(chunk);
  }

  end(): void {
    if (!this.socket.writable) return;
    this.socket.end();
  }

  reset(reason?: Error): void {
    if (this.socket.destroyed) return;
    this.failure ??=
      reason ?? new MeshError('CONNECTION_RESET', `the connection with ${this.peer} was reset by this side`);
    if (this.transport === undefined) abort(this.socket);
    else abortBelow(this.socket, this.transport);
  }

  takeSocket(start: Buffer): Socket | undefined {
    const { socket } = this;
    if (socket.destroyed) return undefined;
    socket.pause();
    for (const event of ['data', 'end', 'drain', 'close']) socket.removeAllListeners(event);
    if (start.length > 0) socket.unshift(start);
    return socket;
  }

  private closed(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.sink?.onClose(this.closeReason());
  }

  private closeReason(): Error | undefined {
    if (this.failure) return this.failure;
    if (this.ended && this.socket.writableFinished) return undefined;
    return new MeshError(
      'CONNECTION_RESET',
      `the connection with ${this.peer} was closed before both sides had ended it`,
    );
  }
}

/**
 * Sends RST and drops what is queued. `resetAndDestroy` waits until all queued bytes are written, so a peer that does not
 * read would never be reset; its flag with `destroy` does not wait. libuv refuses a reset
 * while a shutdown is under way.
 */
function abort(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished && socket.writableLength === 0) {
    socket.once('finish', () => abort(socket));
    return;
  }
  if (isPlainTcp(socket)) Object.assign(socket, { resetAndClosing: true });
  socket.destroy();
}

/** Destroying TLS destroys what it stands on. While its end is on its way libuv refuses a reset: then it is cut. */
function abortBelow(socket: Socket, transport: Socket): void {
  const isEnding = socket.writableEnded && !socket.writableFinished;
  if (!isEnding) Object.assign(transport, { resetAndClosing: true });
  socket.destroy();
}

/** TLS has no reset of its own: cutting it without close_notify is what its peer reads as an abort. */
function isPlainTcp(socket: Socket): boolean {
  return !('encrypted' in socket) && socket.remotePort !== undefined;
}
