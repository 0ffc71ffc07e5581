// One bidirectional gRPC call over a TLS connection of its own, on node:http2: @grpc/grpc-js joins the pieces of each message,
// which with the whole mesh in one is a pause of 30 to 50 ms (test/bench/xds-push.ts). In: where to and how to be believed.
// Out: messages in pieces as they come, and how it ended. Source: gRPC over HTTP/2; ztunnel.md §6.1.
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2';
import { finished } from 'node:stream/promises';
import { MeshError } from '../errors.ts';
import { parseIp } from '../net/address.ts';
import { acceptedServer } from '../tls/accepted-server.ts';
import { frameMessage, GrpcFrameReader, type GrpcMessage } from './grpc-frames.ts';
import { decodeGrpcMessage, grpcStatus } from './grpc-status.ts';

export interface GrpcCall {
  /** `https://host:port`. */
  readonly address: string;
  /** A second name under which the server's certificate is accepted. */
  readonly alternativeHostname?: string | undefined;
  /** PEM; "" for the roots of the machine. */
  readonly rootPem: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of a message that is received. */
  readonly maxMessageBytes: number;
  readonly connectTimeoutMs: number;
  /** Ends the call, by rejection of what waits for it. */
  readonly signal: AbortSignal;
}

export interface GrpcStream {
  send(message: Uint8Array): void;
  /** Ends when the server has ended the call well. @throws GrpcFailure, MeshError, or what broke the connection */
  messages(): AsyncGenerator<GrpcMessage, void>;
  close(): void;
}

/** A status that is not OK: the server's, or UNAVAILABLE where the connection went away under the call. */
export class GrpcFailure extends Error {
  readonly code: number;
  readonly details: string;

  constructor(code: number, details: string) {
    super(details);
    this.name = 'GrpcFailure';
    this.code = code;
    this.details = details;
  }
}

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR } = constants;
/** A hundred thousand workloads come at once: not by round trips of 64 KiB. */
const windowBytes = 4 * 1_048_576;
const connectionWindowBytes = 2 * windowBytes;
const pingEveryMs = 30_000;
const pingTimeoutMs = 10_000;

/** Resolves when the connection stands. @throws what kept it from standing */
export async function openGrpcStream(call: GrpcCall): Promise<GrpcStream> {
  const session = await openSession(call);
  session.setLocalWindowSize(connectionWindowBytes);
  const stream = session.request({
    ':method': 'POST',
    ':path': call.path,
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'ambientd',
    ...call.headers,
  });
  const close = () => {
    stream.close(NGHTTP2_CANCEL);
    session.destroy();
  };
  const stopPings = keepAlive(session);
  const onAbort = () => stream.destroy(asError(call.signal.reason));
  call.signal.addEventListener('abort', onAbort, { once: true });
  session.once('close', () => {
    stopPings();
    call.signal.removeEventListener('abort', onAbort);
  });
  const ending = watchEnd(session, stream);
  return {
    send: (message) => void stream.write(frameMessage(message)),
    messages: () => readMessages(call, stream, ending),
    close,
  };
}

async function openSession(call: GrpcCall): Promise<ClientHttp2Session> {
  const session = dial(call);
  const timeout = AbortSignal.timeout(call.connectTimeoutMs);
  try {
    await once(session, 'connect', { signal: AbortSignal.any([call.signal, timeout]) });
    return session;
  } catch (error) {
    session.destroy();
    if (!timeout.aborted) throw error;
    throw new MeshError('UPSTREAM_CONNECT_TIMEOUT', `no connection within ${call.connectTimeoutMs} ms`);
  }
}

function dial({ address, alternativeHostname, rootPem }: GrpcCall): ClientHttp2Session {
  const { host, checkServerIdentity } = acceptedServer(address, alternativeHostname);
  const session = connect(address, {
    ...(rootPem !== '' && { ca: rootPem }),
    // An address is no server name (RFC 6066 §3); which names are accepted is checked below.
    servername: parseIp(host) === undefined ? host : (alternativeHostname ?? ''),
    checkServerIdentity,
    settings: { initialWindowSize: windowBytes, enablePush: false },
  });
  // What is wrong with it is told by whoever waits for it; a late error must not end the process.
  session.on('error', () => {});
  return session;
}

/** @returns how to stop it */
function keepAlive(session: ClientHttp2Session): () => void {
  let deadline: NodeJS.Timeout | undefined;
  const interval = setInterval(() => {
    if (session.destroyed) return;
    deadline = setTimeout(() => session.destroy(new Error('keepalive: no answer to a ping')), pingTimeoutMs);
    session.ping(() => clearTimeout(deadline));
  }, pingEveryMs);
  return () => {
    clearInterval(interval);
    clearTimeout(deadline);
  };
}

/** What the headers, the trailers and the connection have said so far about the end of the call. */
interface Ending {
  failure: Error | undefined;
  status: 'untold' | 'ok';
}

function watchEnd(session: ClientHttp2Session, stream: ClientHttp2Stream): Ending {
  const ending: Ending = { failure: undefined, status: 'untold' };
  const note = (headers: IncomingHttpHeaders) => {
    const code = Number(headers['grpc-status'] ?? Number.NaN);
    if (code === 0) ending.status = 'ok';
    if (code > 0) ending.failure = new GrpcFailure(code, decodeGrpcMessage(String(headers['grpc-message'] ?? '')));
  };
  stream.on('response', (headers) => {
    const status = headers[':status'];
    if (status !== 200) ending.failure = new GrpcFailure(grpcStatus.unknown, `it answered with HTTP status ${status}`);
    note(headers);
  });
  stream.on('trailers', note);
  // An iteration that has not begun, or has ended, hears no error.
  stream.on('error', () => {});
  session.on('error', (error) => {
    ending.failure ??= dropped(error.message);
  });
  return ending;
}

/** Chunk by chunk: to iterate over the stream would join those that have come meanwhile. */
async function* readMessages(
  { maxMessageBytes, signal }: GrpcCall,
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
      ending.failure ??=
        signal.aborted || error instanceof MeshError ? asError(error) : dropped(asError(error).message);
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
  throw dropped(`no status was told${reset}`);
}

function dropped(why: string): GrpcFailure {
  return new GrpcFailure(grpcStatus.unavailable, `connection dropped: ${why}`);
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
