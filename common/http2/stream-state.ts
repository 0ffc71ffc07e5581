// One HTTP/2 stream as the session keeps it (RFC 9113 §5.1), and what its owner hears of it.
import type { MeshError } from '../errors.ts';
import { ReceiveWindow, SendWindow } from './flow-control.ts';
import type { ResponseHead } from './message-headers.ts';
import { newStreamRounds, type StreamRounds } from './message-streams.ts';
import { SendQueue } from './send-queue.ts';

export type StreamEnd =
  /** Both directions have ended. */
  | { readonly kind: 'done' }
  | { readonly kind: 'reset'; readonly code: number }
  /** The connection is gone or refuses this stream; 'unprocessed': surely never acted upon, so it may be tried elsewhere. */
  | { readonly kind: 'lost'; readonly fate: 'unprocessed' | 'unknown'; readonly error: MeshError };

export type Response = Extract<ResponseHead, { kind: 'response' }>;

export interface StreamEvents {
  /** The answer, only on the side that opened the stream. */
  onResponse(response: Response): void;
  /** Bytes to be reported to `ConnectionSession.consume` once the application has taken them. */
  onData(chunk: Buffer): void;
  onEnd(): void;
  /** `write` said to wait, and may now be called again. */
  onWritable(): void;
  /** Once and last. Not called after our own reset. */
  onGone(end: StreamEnd): void;
}

export interface StreamState {
  readonly id: number;
  events: StreamEvents;
  readonly sendWindow: SendWindow;
  readonly receiveWindow: ReceiveWindow;
  readonly rounds: StreamRounds;
  readonly queue: SendQueue;
  /** 'ending': END_STREAM is due once the queue is empty. */
  sending: 'open' | 'ending' | 'ended';
  /** 'head': the response has not come yet. */
  receiving: 'head' | 'open' | 'ended';
  /** Whether we have sent our headers. */
  answer: 'due' | 'sent';
  writer: 'free' | 'waiting';
  /** Handed to the owner, not yet reported as consumed. */
  unconsumedBytes: number;
}

export interface StreamFacts {
  readonly id: number;
  readonly sendBytes: number;
  readonly receiveBytes: number;
  readonly events: StreamEvents;
}

export function createStreamState(role: 'opened-here' | 'opened-by-peer', stream: StreamFacts): StreamState {
  return {
    id: stream.id,
    events: stream.events,
    sendWindow: new SendWindow(stream.sendBytes),
    receiveWindow: new ReceiveWindow(stream.receiveBytes),
    rounds: newStreamRounds(),
    queue: new SendQueue(),
    sending: 'open',
    receiving: role === 'opened-here' ? 'head' : 'open',
    answer: role === 'opened-here' ? 'sent' : 'due',
    writer: 'free',
    unconsumedBytes: 0,
  };
}
