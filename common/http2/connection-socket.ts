// An HTTP/2 session on a secured socket: reads into it, writes what it has to say (gathered once a turn), keeps it alive by PING.
// In: socket, settings, handlers. Out: `session` for opening streams; `onClosed` once when the connection is gone.
import type { Socket } from 'node:net';
import { MeshError } from '../errors.ts';
import { ConnectionSession } from './connection-session.ts';
import { errorCodes, errorCodeText } from './error-code.ts';
import type { SessionEvents } from './session-events.ts';
import type { OwnSettings } from './settings.ts';

export interface ConnectionHandlers extends Pick<SessionEvents, 'onRequest' | 'onStreamClosed'> {
  /** No new streams from now on: GOAWAY has come. */
  onGoAway(): void;
  /** Once and last; the streams have heard of it already. */
  onClosed(reason: MeshError): void;
}

export interface ConnectionOptions {
  /** Connected, for TLS after the handshake; belongs to the connection from now on. */
  readonly socket: Socket;
  readonly own: OwnSettings;
  /** For messages: `10.0.0.1:15008`. */
  readonly peerName: string;
  readonly handlers: ConnectionHandlers;
  /** First PING after this long, the next as long after each answer. Default 10 000. */
  readonly pingIntervalMs?: number;
  /** Default 20 000. */
  readonly pingTimeoutMs?: number;
}

/** DATA taken from the session for one write; the rest waits for the socket. */
const writeBudgetBytes = 512 * 1024;
/** Below this, one copy is cheaper than handing over many buffers. */
const joinBelowBytes = 64 * 1024;
/** A peer that has been told to go gets this long to close its side. */
const lingerMs = 1_000;
const drainMark = Buffer.from('drained!', 'latin1');
const pingMark = Buffer.from('areyouup', 'latin1');

export class Http2Connection {
  readonly session: ConnectionSession;
  private readonly options: ConnectionOptions;
  private readonly socket: Socket;
  private failure: MeshError | undefined;
  private flushState: 'idle' | 'scheduled' = 'idle';
  private stage: 'open' | 'ending' | 'closed' = 'open';
  private timer: NodeJS.Timeout | undefined;
  private ready: 'waiting' | 'ready' = 'waiting';

  constructor(options: ConnectionOptions) {
    this.options = options;
    this.socket = options.socket;
    this.session = new ConnectionSession(options.own, this.sessionEvents());
    this.socket.on('data', (chunk: Buffer) => this.session.receive(chunk));
    this.socket.on('drain', () => this.flush());
    this.socket.on('error', (error) => this.destroy(this.lost(error.message, error)));
    this.socket.on('end', () => this.destroy(this.lost('the peer closed the connection')));
    this.socket.on('close', () => this.closed());
    this.schedulePing();
    this.socket.resume();
  }

  /** Whether the peer has spoken HTTP/2: before that, an end means that it did not accept our handshake. */
  get hasAnswered(): boolean {
    return this.ready === 'ready';
  }

  /** Goes away in order: the peer's streams that are under way are still taken, those there are may finish. */
  drain(): void {
    if (this.session.state !== 'open' || this.stage !== 'open') return;
    if (this.options.own.role === 'client') this.session.drain();
    else {
      this.session.announceDrain();
      this.session.ping(drainMark);
    }
    this.finishIfDrained();
  }

  /** Ends at once; every stream is lost with this reason. */
  destroy(reason: MeshError): void {
    this.failure ??= reason;
    this.socket.destroy();
  }

  private sessionEvents(): SessionEvents {
    const { handlers } = this.options;
    return {
      onOutput: () => this.scheduleFlush(),
      onRequest: (stream, request) => handlers.onRequest(stream, request),
      onReady: () => {
        this.ready = 'ready';
      },
      onPong: (opaque) => this.pong(opaque),
      onStreamClosed: () => {
        handlers.onStreamClosed();
        this.finishIfDrained();
      },
      onGoAway: (goAway) => {
        if (goAway.code !== errorCodes.NO_ERROR) {
          const detail = goAway.detail ? `: ${goAway.detail}` : '';
          this.failure ??= this.lost(`the peer ended it with GOAWAY ${errorCodeText(goAway.code)}${detail}`);
        }
        handlers.onGoAway();
        this.finishIfDrained();
      },
      onFault: (error) => {
        this.failure ??= new MeshError(
          'TUNNEL_PROTOCOL',
          `${this.options.peerName} broke HTTP/2: ${error.detail} (${error.code})`,
        );
        this.finish();
      },
    };
  }

  /** With one stream there is nothing to gather, and waiting for the turn's end would only delay it. */
  private scheduleFlush(): void {
    if (this.flushState === 'scheduled') return;
    this.flushState = 'scheduled';
    const run = (): void => {
      this.flushState = 'idle';
      this.flush();
    };
    if (this.session !== undefined && this.session.streams.size > 1) setImmediate(run);
    else process.nextTick(run);
  }

  private flush(): void {
    while (this.stage !== 'closed' && !this.socket.writableNeedDrain && this.socket.writable) {
      const parts = this.session.takeOutput(writeBudgetBytes);
      if (parts.length === 0) break;
      writeOnce(this.socket, parts);
    }
    this.finishIfDrained();
  }

  private finishIfDrained(): void {
    if (this.session.state === 'draining' && this.session.streams.size === 0) this.finish();
  }

  /** Lets what is queued go out, then closes. */
  private finish(): void {
    if (this.stage !== 'open') return;
    this.stage = 'ending';
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.socket.destroy(), lingerMs);
    setImmediate(() => {
      this.flush();
      this.socket.end();
    });
  }

  private closed(): void {
    if (this.stage === 'closed') return;
    this.stage = 'closed';
    clearTimeout(this.timer);
    const reason = this.failure ?? this.lost('it was closed');
    this.session.lose(reason);
    this.options.handlers.onClosed(reason);
  }

  private schedulePing(): void {
    this.timer = setTimeout(() => {
      this.session.guard.refill();
      this.session.ping(pingMark);
      const timeoutMs = this.options.pingTimeoutMs ?? 20_000;
      this.timer = setTimeout(() => this.destroy(this.lost(`no answer to PING within ${timeoutMs} ms`)), timeoutMs);
    }, this.options.pingIntervalMs ?? 10_000);
  }

  private pong(opaque: Buffer): void {
    if (opaque.equals(drainMark)) {
      // All that was sent before our GOAWAY was known has come.
      this.session.drain();
      this.finishIfDrained();
    } else if (opaque.equals(pingMark) && this.stage === 'open') {
      clearTimeout(this.timer);
      this.schedulePing();
    }
  }

  private lost(detail: string, cause?: Error): MeshError {
    return new MeshError('TUNNEL_LOST', `the tunnel with ${this.options.peerName} was lost: ${detail}`, { cause });
  }
}

function writeOnce(socket: Socket, parts: readonly Buffer[]): void {
  const [first] = parts;
  if (parts.length === 1 && first) {
    socket.write(first);
    return;
  }
  if (parts.reduce((sum, part) => sum + part.length, 0) < joinBelowBytes) {
    socket.write(Buffer.concat(parts));
    return;
  }
  socket.cork();
  for (const part of parts) socket.write(part);
  socket.uncork();
}
