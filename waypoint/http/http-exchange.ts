// One HTTP request and its response, as everything around the HTTP engine sees it. The engine (this folder) may be rebuilt; this
// file is what it is rebuilt behind. Servers hand out `ServerExchange`, clients take an `OutgoingRequest`.
import type { Duplex, Readable } from 'node:stream';
import type { HeaderList } from './header-list.ts';

export type HttpProtocol = 'HTTP/1.1' | 'HTTP/2';

export interface RequestHead {
  readonly protocol: HttpProtocol;
  readonly method: string;
  readonly scheme: string;
  /** `:authority` or Host, as sent. */
  readonly authority: string;
  /** Normalized, with query. */
  readonly path: string;
  /** End-to-end headers only, without host. */
  readonly headers: HeaderList;
  /** Protocol that the client asks to switch to, e.g. `websocket`. */
  readonly upgrade: string | undefined;
  /** Size of the head as received (HTTP/2: before compression). */
  readonly headBytes: number;
}

export interface ResponseHead {
  readonly status: number;
  readonly headers: HeaderList;
}

/** Read it to its end, or destroy it. Trailers are complete when it has ended. */
export interface MessageBody {
  readonly stream: Readable;
  /** Tells of each piece as it passes; to be asked for before the stream is read. Not for HTTP/1.1. */
  onChunk?(listener: (chunk: Buffer) => void): void;
  trailers(): HeaderList;
}

export interface ExchangeEnd {
  /** `aborted`: the client went away before it had the whole response. */
  readonly kind: 'complete' | 'aborted';
  /** On the wire, with heads, bodies and trailers; HTTP/2 counted before compression and framing. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly receivedBodyBytes: number;
  readonly sentBodyBytes: number;
}

export interface ServerExchange {
  readonly request: RequestHead;
  /** Undefined when the request has no body. */
  readonly body: MessageBody | undefined;
  /** Once. An error of the body resets the client's stream: a cut response is never passed off as whole. */
  respond(head: ResponseHead, body: MessageBody | Buffer | undefined): void;
  /** Instead of `respond`: 101 and then bytes both ways. Only when `request.upgrade` is set. */
  switchProtocols(head: ResponseHead, upstream: Duplex): void;
  /** Gives the exchange up without a response. */
  reset(): void;
  /** Called once, after everything; also when the client goes away. */
  onEnd(listener: (end: ExchangeEnd) => void): void;
}

export type ExchangeHandler = (exchange: ServerExchange) => void;

export interface OutgoingRequest {
  readonly method: string;
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
  readonly headers: HeaderList;
  readonly upgrade: string | undefined;
  readonly body: MessageBody | undefined;
}

export type UpstreamAnswer =
  | { readonly kind: 'response'; readonly head: ResponseHead; readonly body: MessageBody | undefined }
  | { readonly kind: 'switched'; readonly head: ResponseHead; readonly stream: Duplex }
  /** No response: the connection could not be made, broke, or did not carry HTTP. */
  | { readonly kind: 'failed'; readonly stage: 'connect' | 'reset' | 'protocol'; readonly error: Error };

export interface UpstreamCall {
  /** Never rejects. */
  readonly answer: Promise<UpstreamAnswer>;
  /** The client has gone: gives the request up. */
  abort(): void;
}

/** Connections to one endpoint, pooled. */
export interface HttpClient {
  send(request: OutgoingRequest): UpstreamCall;
  /** No request running and no connection held. */
  readonly isIdle: boolean;
  close(): void;
}

/** Bounds of what one peer may send (waypoint-telemetry.md §9.1). */
export const httpLimits = {
  maxHeadBytes: 60 * 1024,
  maxHeaders: 100,
  maxConcurrentStreams: 1024,
  streamWindowBytes: 1024 * 1024,
  connectionWindowBytes: 4 * 1024 * 1024,
} as const;
