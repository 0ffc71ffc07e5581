// One gRPC call with one message each way, over an HTTP/2 client of this waypoint: so it reaches its server like each request, through the
// mesh where that is in it. In: client, method, message. Out: the answer's message, or the status. Source: gRPC over HTTP/2 (PROTOCOL-HTTP2.md).
import { Readable } from 'node:stream';
import { frameMessage, prefixBytes } from '../../common/grpc/grpc-frames.ts';
import { decodeGrpcMessage, grpcStatus, grpcStatusOfHttp } from '../../common/grpc/grpc-status.ts';
import { findHeader, type HeaderList } from '../http/header-list.ts';
import type { HttpClient, UpstreamAnswer } from '../http/http-exchange.ts';

export interface GrpcCall {
  /** `:authority`. */
  readonly authority: string;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly message: Buffer;
  readonly timeoutMs: number;
}

export type GrpcAnswer =
  | { readonly kind: 'ok'; readonly message: Buffer }
  | { readonly kind: 'failed'; readonly status: number; readonly reason: string; readonly hasDetails: boolean };

const { deadlineExceeded, internal, unavailable } = grpcStatus;
const maxAnswerBytes = 64 * 1024;

/** Never rejects. */
export async function callGrpc(client: HttpClient, call: GrpcCall): Promise<GrpcAnswer> {
  const { authority, path, message, timeoutMs } = call;
  const body = { stream: Readable.from([frameMessage(message)], { objectMode: false }), trailers: () => [] };
  const timeout = `${Math.ceil(timeoutMs)}m`;
  const headers = ['te', 'trailers', 'content-type', 'application/grpc', 'grpc-timeout', timeout];
  const request = { method: 'POST', scheme: 'http', authority, path, headers, upgrade: undefined, body };
  const running = client.send(request);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<GrpcAnswer>((resolve) => {
    timer = setTimeout(() => {
      running.abort();
      resolve(failed(deadlineExceeded, `no answer within ${timeoutMs} ms`));
    }, timeoutMs).unref();
  });
  try {
    return await Promise.race([running.answer.then(readAnswer), late]);
  } catch (cause) {
    running.abort();
    return failed(unavailable, cause instanceof Error ? cause.message : String(cause));
  } finally {
    clearTimeout(timer);
  }
}

async function readAnswer(answer: UpstreamAnswer): Promise<GrpcAnswer> {
  if (answer.kind === 'failed') return failed(unavailable, answer.error.message);
  if (answer.kind === 'switched') return failed(internal, 'the server switched protocols');
  const { head, body } = answer;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body?.stream ?? []) {
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) return failed(internal, `an answer of more than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  const failure = statusOf(head.status, head.headers, body?.trailers() ?? []);
  return failure ?? unframe(Buffer.concat(chunks));
}

function statusOf(httpStatus: number, headers: HeaderList, trailers: HeaderList): GrpcAnswer | undefined {
  const told = [trailers, headers].find((list) => findHeader(list, 'grpc-status') !== undefined);
  if (told === undefined) return failed(grpcStatusOfHttp(httpStatus), `HTTP ${httpStatus} without a gRPC status`);
  const status = Number(findHeader(told, 'grpc-status'));
  if (status === 0) return undefined;
  const reason = `gRPC status ${status}: ${decodeGrpcMessage(findHeader(told, 'grpc-message') ?? '')}`;
  return { ...failed(status, reason), hasDetails: findHeader(told, 'grpc-status-details-bin') !== undefined };
}

function unframe(data: Buffer): GrpcAnswer {
  const isWhole = data.length >= prefixBytes && data.length === prefixBytes + data.readUInt32BE(1);
  if (!isWhole) return failed(internal, `an answer of ${data.length} bytes is not one message`);
  if (data[0] !== 0) return failed(internal, 'a compressed answer, which was not asked for');
  return { kind: 'ok', message: data.subarray(prefixBytes) };
}

function failed(status: number, reason: string): Extract<GrpcAnswer, { kind: 'failed' }> {
  return { kind: 'failed', status, reason, hasDetails: false };
}
