// An HTTP/2 session on a secured socket: reads into it, writes what it has to say (gathered once a turn), keeps it alive by PING.
// In: socket, settings, handlers. Out: `session` for opening streams; `onClosed` once when the connection is gone.
import type { Socket } from 'node:net';
import { MeshError } from '../errors.ts';
import { HandleReader } from '../net/handle-reader-socket.ts';
import { release } from '../net/read-buffers.ts';
import { leastRoundTripMs } from '../net/round-trip-socket.ts';
import { endOfStream, errorOf, handleOf, type StreamHandle, writeTo } from '../net/stream-handle-socket.ts';
import { ConnectionSession } from './connection-session.ts';
import { ConnectionWindowFit, wholeRoundTripMs } from './connection-window.ts';
import { errorCodes, errorCodeText } from './error-code.ts';
import { type Congestion, SendBacklog, stuckAfterMs } from './send-backlog.ts';
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
/** A peer that has been told to go gets this long to close its side. */
const lingerMs = 1_000;
const drainMark = Buffer.from('drained!', 'latin1');
const pingMark = Buffer.from('areyouup', 'latin1');

export class Http2Connection {
  readonly session: ConnectionSession;
  private readonly options: ConnectionOptions;
  private readonly socket: Socket;
  private readonly kind: 'tls' | 'tcp';
  private failure: MeshError | undefined;
  private handle: StreamHandle | undefined;
  private reader: HandleReader | undefined;
  private flushState: 'idle' | 'scheduled' = 'idle';
  private writing: 'idle' | 'pending' = 'idle';
  private lastWrite: 'one' | 'several' = 'one';
  private readonly backlog = new SendBacklog();
  private stage: 'open' | 'ending' | 'closed' = 'open';
  private timer: NodeJS.Timeout | undefined;
  private ready: 'waiting' | 'ready' = 'waiting';
  private readonly windowFit: ConnectionWindowFit;
  private pingedAtMs = 0;
  private leastPingMs: number | undefined;

  constructor(options: ConnectionOptions) {
    this.options = options;
    this.socket = options.socket;
    this.kind = 'encrypted' in options.socket ? 'tls' : 'tcp';
    this.session = new ConnectionSession(options.own, this.sessionEvents());
    this.windowFit = new ConnectionWindowFit(options.own.connectionWindowBytes);
    this.socket.on('data', (chunk: Buffer) => this.session.receive(chunk));
    // Whoever cuts the socket says why.
    this.socket.on('error', (error) =>
      this.destroy(error instanceof MeshError ? error : this.lost(error.message, error)),
    );
    this.socket.on('end', () => this.destroy(this.lost('the peer closed the connection')));
    this.socket.on('close', () => this.closed());
    this.schedulePing();
    this.socket.resume();
    this.takeOver(this.socket);
  }

  /** What has come during the handshake flows out of the socket; all that follows goes past it. */
  private takeOver(socket: Socket): void {
    const handle = handleOf(socket);
    if (handle === undefined) return;
    this.handle = handle;
    this.reader = new HandleReader(this.kind, handle, {
      onChunk: (chunk) => {
        this.session.receive(chunk);
        release(chunk);
      },
      onEnd: (status) => {
        if (status === endOfStream) this.destroy(this.lost('the peer closed the connection'));
        else this.destroy(this.lost(errorOf('read', status).message, errorOf('read', status)));
      },
    });
  }

  /** Whether the peer has spoken HTTP/2: before that, an end means that it did not accept our handshake. */
  get hasAnswered(): boolean {
    return this.ready === 'ready';
  }

  /**
   * Whether a new stream would wait: for the socket or the peer's window, because paused readers hold all of our window, or for a
   * peer that does not answer a PING either.
   */
  get congestion(): Congestion {
    const { session, backlog } = this;
    const rest = session.receiveWindow.freeBytes > 0 ? 'none' : 'busy';
    if (backlog.isClear && session.pingsDue === 0) return rest;
    const nowMs = performance.now();
    if (session.pingsDue > 0 && nowMs - this.pingedAtMs >= stuckAfterMs) return 'stuck';
    const ofSending = backlog.congestion(nowMs);
    return ofSending === 'none' ? rest : ofSending;
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
      onWindowUsed: (messages) => this.fitWindow(messages),
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

  /** A lone message goes at once. Where the last write held several, more will come in this turn: they go together at its end. */
  private scheduleFlush(): void {
    if (this.flushState !== 'idle' || this.writing === 'pending') return;
    this.flushState = 'scheduled';
    if (this.lastWrite === 'several') setImmediate(this.runFlush);
    else process.nextTick(this.runFlush);
  }

  private readonly runFlush = (): void => {
    this.flushState = 'idle';
    this.flush();
  };

  /** One write at a time: TLS takes no second one, and what comes meanwhile is better gathered. */
  private flush(): void {
    const { session, backlog } = this;
    while (this.stage !== 'closed' && this.writing === 'idle' && this.handle !== undefined && this.socket.writable) {
      const windowBefore = session.sendWindow.available;
      const parts = session.takeOutput(writeBudgetBytes);
      if (parts.length === 0) break;
      this.lastWrite = parts.length > 2 ? 'several' : 'one';
      const result = writeTo(this.handle, joined(parts, this.kind), this.written);
      // TLS has encrypted all of it into memory of its own.
      if (result !== 'pending' || this.kind === 'tls') session.releaseOutput();
      if (result === 'pending') {
        this.writing = 'pending';
        backlog.wait(windowBefore - session.sendWindow.available, session.unsentData, performance.now());
      } else if (result !== 'done') this.destroy(this.lost(errorOf('write', result).message, errorOf('write', result)));
    }
    if (this.writing === 'idle') {
      if (session.unsentData === 'none') backlog.clear();
      else backlog.wait(0, 'some', performance.now());
    }
    this.finishIfDrained();
    if (this.stage === 'ending' && this.writing === 'idle') this.socket.end();
  }

  private readonly written = (status: number): void => {
    this.writing = 'idle';
    this.session.releaseOutput();
    if (status < 0) this.destroy(this.lost(errorOf('write', status).message, errorOf('write', status)));
    else this.flush();
  };

  private fitWindow(messages: 'some' | 'none'): void {
    const { session, windowFit } = this;
    const roundTripMs = wholeRoundTripMs(this.handle && leastRoundTripMs(this.handle.fd), this.leastPingMs);
    const { sizeBytes } = session.receiveWindow;
    session.resizeWindow(windowFit.next({ sizeBytes, messages, nowMs: performance.now(), roundTripMs }));
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
    setImmediate(this.runFlush);
  }

  private closed(): void {
    if (this.stage === 'closed') return;
    this.stage = 'closed';
    clearTimeout(this.timer);
    this.reader?.close();
    const reason = this.failure ?? this.lost('it was closed');
    this.session.lose(reason);
    this.options.handlers.onClosed(reason);
  }

  private schedulePing(): void {
    this.timer = setTimeout(() => {
      this.session.guard.refill();
      this.session.ping(pingMark);
      this.pingedAtMs = performance.now();
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
      const pingMs = performance.now() - this.pingedAtMs;
      this.leastPingMs = Math.min(pingMs, this.leastPingMs ?? pingMs);
      this.reader?.rest();
      this.schedulePing();
    }
  }

  private lost(detail: string, cause?: Error): MeshError {
    return new MeshError('TUNNEL_LOST', `the tunnel with ${this.options.peerName} was lost: ${detail}`, { cause });
  }
}

/** Where parts are laid side by side; TLS copies what it is given, so one for all connections will do. */
const slab = Buffer.allocUnsafeSlow(writeBudgetBytes + 64 * 1024);

function joined(parts: readonly Buffer[], kind: 'tls' | 'tcp'): Buffer {
  const [first] = parts;
  if (parts.length === 1 && first) return first;
  let length = 0;
  for (const part of parts) length += part.length;
  if (length > slab.length || kind === 'tcp') return Buffer.concat(parts, length);
  let at = 0;
  for (const part of parts) {
    slab.set(part, at);
    at += part.length;
  }
  return slab.subarray(0, length);
}
