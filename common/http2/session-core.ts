// The part of a connection session that handlers of incoming frames read and change.
import type { ErrorCodeName } from './error-code.ts';
import type { FloodGuard } from './flood-guard.ts';
import type { ReceiveWindow, SendWindow } from './flow-control.ts';
import type { HpackDecoder } from './hpack-codec.ts';
import type { MessageStreams } from './message-streams.ts';
import type { GoAway, SessionEvents } from './session-events.ts';
import type { OwnSettings, PeerSettings } from './settings.ts';
import type { StreamEnd, StreamState } from './stream-state.ts';

/** 'draining': no new streams, the open ones may finish; 'failed': nothing more is read or sent but the GOAWAY. */
export type SessionState = 'open' | 'draining' | 'failed';

export interface SessionCore {
  readonly own: OwnSettings;
  readonly events: SessionEvents;
  readonly state: SessionState;
  readonly streams: Map<number, StreamState>;
  readonly hpack: HpackDecoder;
  readonly guard: FloodGuard;
  readonly messages: MessageStreams;
  readonly receiveWindow: ReceiveWindow;
  readonly sendWindow: SendWindow;
  /** What the peer lets us do; replaced by its SETTINGS. */
  peer: PeerSettings;
  /** Highest stream of the peer that we have seen. */
  lastPeerStreamId: number;
  /** PINGs of ours that the peer has not answered. */
  pingsDue: number;
  /** Control frames that wait because the peer does not read. */
  readonly unsentControlFrames: number;

  send(frame: Buffer): void;
  /** Bytes are handed to the stream's owner, who reports them by `consume`. */
  hold(stream: StreamState, bytes: number): void;
  /** The application has taken bytes of this stream: the peer may send as many again. */
  consume(stream: StreamState, bytes: number): void;
  markReady(stream: StreamState): void;
  /** These bytes of the connection's window will never be held by a stream: the peer may send as many again. */
  creditConnection(bytes: number): void;
  /** Whether nobody has opened this stream yet. */
  isIdle(streamId: number): boolean;
  /** Takes a stream that the peer has opened into the books. */
  admit(streamId: number): StreamState;
  /** The peer has half-closed. */
  endReceiving(stream: StreamState): void;
  /** The stream is over, and its owner hears of it. */
  finish(stream: StreamState, end: StreamEnd): void;
  /** An error of the peer that ends one stream: RST_STREAM, and its owner hears of it. */
  breakStream(stream: StreamState, code: ErrorCodeName, detail: string): void;
  peerGoesAway(goAway: GoAway): void;
}
