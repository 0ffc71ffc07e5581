// What a connection session tells its owner. Streams have their own events (`stream-state.ts`).
import type { ConnectionFault } from './error-code.ts';
import type { RequestHead } from './message-headers.ts';
import type { StreamEvents, StreamState } from './stream-state.ts';

export interface GoAway {
  readonly lastStreamId: number;
  readonly code: number;
  readonly detail: string;
}

export interface SessionEvents {
  /** There is something to send: call `takeOutput` soon. May come from inside any call. */
  onOutput(): void;
  /**
   * Half of the connection's window was used up since the last time, and is announced again.
   * @param messages whether streams that get little took part in it
   */
  onWindowUsed(messages: 'some' | 'none'): void;
  /** Server: a well-formed request has come on this stream. */
  onRequest(stream: StreamState, request: Extract<RequestHead, { kind: 'request' }>): StreamEvents;
  /** The peer's first SETTINGS have come: it has accepted the connection. */
  onReady(): void;
  /** @param opaque 8 bytes, as given to `ping` */
  onPong(opaque: Buffer): void;
  /** A stream is over, for whatever reason; its owner has not heard of it yet. */
  onStreamClosed(): void;
  onGoAway(goAway: GoAway): void;
  /** The peer broke the protocol: GOAWAY is in the output, every stream is lost, the connection is to be closed after it. */
  onFault(fault: ConnectionFault): void;
}
