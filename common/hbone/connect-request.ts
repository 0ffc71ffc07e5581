// One CONNECT that a peer asked for, until it is answered. In: the stream and its head. Out: the request for whoever decides,
// and the events that the session is to send the stream.
import type { MeshError } from '../errors.ts';
import type { ConnectionSession } from '../http2/connection-session.ts';
import { SessionStream } from '../http2/session-stream.ts';
import type { StreamEnd, StreamEvents, StreamState } from '../http2/stream-state.ts';
import type { Identity } from '../identity/identity.ts';
import type { SocketAddress } from '../net/address.ts';
import type { ByteStream } from '../net/byte-stream.ts';
import type { ConnectHeaders, ConnectRequest } from './hbone.ts';

type RequestHead = Pick<ConnectRequest, 'method' | 'authority' | 'headers'>;

/** The same for all requests of a tunnel. */
export type RequestEnds = Pick<ConnectRequest, 'peerIdentity' | 'localIdentity' | 'peerAddress' | 'localAddress'>;

type AbortListener = Parameters<ConnectRequest['onAbort']>[0];

const nobody: readonly AbortListener[] = [];

/** The request for whoever decides; `events` is who listens to its stream now. */
export class PendingRequest implements ConnectRequest, StreamEvents {
  readonly method: string;
  readonly authority: string;
  readonly headers: ConnectHeaders;
  readonly peerIdentity: Identity | undefined;
  readonly localIdentity: Identity;
  readonly peerAddress: SocketAddress;
  readonly localAddress: SocketAddress;
  private readonly session: ConnectionSession;
  private readonly stream: StreamState;
  private readonly bytes: SessionStream;
  private abortListeners: readonly AbortListener[] = nobody;
  private tunnelLoss: MeshError | undefined;
  private answer: 'due' | 'given' | 'aborted' = 'due';

  constructor(session: ConnectionSession, stream: StreamState, head: RequestHead, ends: RequestEnds) {
    this.session = session;
    this.stream = stream;
    this.bytes = new SessionStream(session, stream);
    this.method = head.method;
    this.authority = head.authority;
    this.headers = head.headers;
    this.peerIdentity = ends.peerIdentity;
    this.localIdentity = ends.localIdentity;
    this.peerAddress = ends.peerAddress;
    this.localAddress = ends.localAddress;
  }

  get events(): StreamEvents {
    return this.answer === 'given' ? this.bytes : this;
  }

  accept(responseHeaders: ConnectHeaders): ByteStream {
    if (this.answer !== 'due') return this.bytes;
    this.answer = 'given';
    this.abortListeners = nobody;
    this.stream.events = this.bytes;
    this.session.respond(this.stream, [[':status', '200'], ...responseHeaders], 'more');
    return this.bytes;
  }

  reject(status: number): void {
    if (this.answer !== 'due') return;
    this.answer = 'given';
    this.session.respond(this.stream, [[':status', String(status)]], 'end-stream');
  }

  onAbort(listener: AbortListener): void {
    if (this.answer === 'aborted') setImmediate(listener, this.tunnelLoss);
    else this.abortListeners = this.abortListeners.concat(listener);
  }

  // What follows is the session's, until the request is answered.

  onResponse(): void {}

  onData(chunk: Buffer): void {
    this.bytes.onData(chunk);
  }

  onEnd(): void {
    this.bytes.onEnd();
  }

  onWritable(): void {
    this.bytes.onWritable();
  }

  onGone(end: StreamEnd): void {
    this.bytes.onGone(end);
    this.answer = 'aborted';
    if (end.kind === 'lost') this.tunnelLoss = end.error;
    for (const listener of this.abortListeners) listener(this.tunnelLoss);
  }
}
