// gRPC streams on node:http2, on a connection that there is or of their own: @grpc/grpc-js joins the pieces of each message,
// which with the whole mesh in one is a pause of 30 to 50 ms (test/bench/xds-push.ts). In: what is called and on what. Out:
// messages in pieces as they come, and how it ended. Source: gRPC over HTTP/2.
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import { finished } from 'node:stream/promises';
import { MeshError } from '../errors.ts';
import { type GrpcConnection, type GrpcServer, openGrpcConnection } from './grpc-connection-client.ts';
import { frameMessage, GrpcFrameReader, type GrpcMessage } from './grpc-frames.ts';
import { decodeGrpcMessage, GrpcFailure, grpcStatus } from './grpc-status.ts';

export interface GrpcStreamCall {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of a message that is received. */
  readonly maxMessageBytes: number;
  /** Ends the call, by rejection of what waits for it. */
  readonly signal: AbortSignal;
  /** The gRPC status of an HTTP one other than 200; default UNKNOWN. */
  readonly statusOfHttp?: (status: number) => number;
}

export type GrpcCall = GrpcServer & GrpcStreamCall;

export interface GrpcStream {
  send(message: Uint8Array): void;
  /** Nothing more is sent; what comes is read on. */
  end(): void;
  /** Ends when the server has ended the call well. @throws GrpcFailure, MeshError, or what broke the connection */
  messages(): AsyncGenerator<GrpcMessage, void>;
  /** Once it has ended: whether the server has not looked at it, so that it may be sent again (RFC 9113 §8.7). */
  wasRefused(): boolean;
  close(): void;
}

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants;

/** On a connection of its own, which ends with it. Resolves when that stands. @throws what kept it from standing */
export async function openGrpcStream(call: GrpcCall): Promise<GrpcStream> {
  const connection = await openGrpcConnection(call, call.signal);
  try {
    const stream = beginGrpcStream(connection, call);
    const close = () => {
      stream.close();
      connection.close();
    };
    return { ...stream, close };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** @throws what node:http2 holds against the headers, or when the connection is not open */
export function beginGrpcStream(connection: GrpcConnection, call: GrpcStreamCall): GrpcStream {
  const { signal } = call;
  const stream = connection.begin({
    ':method': 'POST',
    ':path': call.path,
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'ambientd',
    ...call.headers,
  });
  const close = () => stream.close(NGHTTP2_CANCEL);
  const onAbort = () => {
    close();
    stream.destroy(asError(signal.reason));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  stream.once('close', () => signal.removeEventListener('abort', onAbort));
  const ending = watchEnd(stream, call);
  return {
    send: (message) => void stream.write(frameMessage(message)),
    end: () => void stream.end(),
    messages: () => readMessages(call, connection, stream, ending),
    wasRefused: () => stream.rstCode === NGHTTP2_REFUSED_STREAM,
    close,
  };
}

/** What the headers and the trailers have said so far about the end of the call. */
interface Ending {
  failure: Error | undefined;
  status: 'untold' | 'ok';
}

function watchEnd(stream: ClientHttp2Stream, { statusOfHttp = () => grpcStatus.unknown }: GrpcStreamCall): Ending {
  const ending: Ending = { failure: undefined, status: 'untold' };
  const note = (headers: IncomingHttpHeaders) => {
    const code = Number(headers['grpc-status'] ?? Number.NaN);
    if (code === 0) ending.status = 'ok';
    if (code > 0) ending.failure = new GrpcFailure(code, decodeGrpcMessage(String(headers['grpc-message'] ?? '')));
  };
  stream.on('response', (headers) => {
    const status = headers[':status'] ?? 0;
    if (status !== 200)
      ending.failure = new GrpcFailure(statusOfHttp(status), `it answered with HTTP status ${status}`);
    note(headers);
  });
  stream.on('trailers', note);
  // An iteration that has not begun, or has ended, hears no error.
  stream.on('error', () => {});
  return ending;
}

/** Chunk by chunk: to iterate over the stream would join those that have come meanwhile. */
async function* readMessages(
  { maxMessageBytes, signal }: GrpcStreamCall,
  connection: GrpcConnection,
  stream: ClientHttp2Stream,
  ending: Ending,
): AsyncGenerator<GrpcMessage, void> {
  const reader = new GrpcFrameReader(maxMessageBytes);
  const waiting: GrpcMessage[] = [];
  let wake = (): void => {};
  stream.on('data', (chunk: Buffer) => {
    try {
      waiting.push(...reader.read(chunk));
    } catch (error) {
      stream.destroy(asError(error));
    }
    if (waiting.length === 0) return;
    stream.pause();
    wake();
  });
  let state: 'open' | 'ended' = 'open';
  void finished(stream, { writable: false })
    .catch((error: unknown) => {
      ending.failure ??= failureOf(error, connection, signal);
    })
    .then(() => {
      state = 'ended';
      wake();
    });
  const hasEnded = (): boolean => state === 'ended';
  for (;;) {
    for (let message = waiting.shift(); message !== undefined; message = waiting.shift()) yield message;
    if (hasEnded()) break;
    stream.resume();
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  if (ending.failure !== undefined) throw ending.failure;
  if (ending.status === 'ok') return;
  const reset = stream.rstCode === NGHTTP2_NO_ERROR ? '' : `, reset with code ${stream.rstCode}`;
  throw dropped(connection.failure()?.message ?? `no status was told${reset}`);
}

function failureOf(error: unknown, connection: GrpcConnection, signal: AbortSignal): Error {
  const lost = connection.failure();
  if (lost !== undefined) return dropped(lost.message);
  if (signal.aborted) return asError(signal.reason);
  return error instanceof MeshError ? error : dropped(asError(error).message);
}

function dropped(why: string): GrpcFailure {
  return new GrpcFailure(grpcStatus.unavailable, `connection dropped: ${why}`);
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
