// One gRPC call with one message each way, on a connection that there is. In: the call, and what ends it. Out: the answer's
// message, or that the server has not looked at the call. Source: gRPC over HTTP/2.
import type { GrpcConnection } from './grpc-connection-client.ts';
import type { GrpcMessage } from './grpc-frames.ts';
import { GrpcFailure, grpcStatus, grpcStatusOfHttp } from './grpc-status.ts';
import { beginGrpcStream } from './grpc-stream-client.ts';

export interface UnaryCall {
  /** `:authority`. */
  readonly authority: string;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly message: Uint8Array;
  /** Of the answer. */
  readonly maxMessageBytes: number;
  /** Told to the server, which need not work for longer; here `signal` ends the call. */
  readonly timeoutMs: number;
}

export type UnaryAnswer =
  | { readonly kind: 'answered'; readonly message: Buffer }
  /** It may be sent again. */
  | { readonly kind: 'refused'; readonly failure: GrpcFailure };

/** `grpc-timeout` has no more digits. */
const maxTimeoutMs = 99_999_999;

/** @throws GrpcFailure, MeshError RESOURCE_INVALID for an answer that breaks a bound, or the reason of `signal` */
export async function callUnary(
  connection: GrpcConnection,
  call: UnaryCall,
  signal: AbortSignal,
): Promise<UnaryAnswer> {
  signal.throwIfAborted();
  if (!connection.isOpen()) return refused('the connection has just been closed');
  const { authority, path, maxMessageBytes } = call;
  const timeout = `${Math.min(maxTimeoutMs, Math.ceil(call.timeoutMs))}m`;
  const headers = { ':authority': authority, 'grpc-timeout': timeout, ...call.headers };
  const statusOfHttp = grpcStatusOfHttp;
  const stream = beginGrpcStream(connection, { path, headers, maxMessageBytes, signal, statusOfHttp });
  try {
    stream.send(call.message);
    stream.end();
    const messages: GrpcMessage[] = [];
    for await (const message of stream.messages()) {
      if (messages.push(message) > 1) throw wrongAnswer('more than one message');
    }
    const [message] = messages;
    if (message === undefined) throw wrongAnswer('no message');
    return { kind: 'answered', message: Buffer.concat(message) };
  } catch (error) {
    if (stream.wasRefused() && !signal.aborted) return refused('the server refused the stream');
    throw error;
  } finally {
    stream.close();
  }
}

function refused(why: string): UnaryAnswer {
  return { kind: 'refused', failure: new GrpcFailure(grpcStatus.unavailable, why) };
}

function wrongAnswer(what: string): GrpcFailure {
  return new GrpcFailure(grpcStatus.internal, `${what} came as the answer to a call with one`);
}
