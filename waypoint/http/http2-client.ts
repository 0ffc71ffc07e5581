// HTTP/2 (and so gRPC) towards one endpoint: http2-wrapper's agent makes sessions on byte streams that `connect` opens, with prior
// knowledge. In: requests. Out: answers, never exceptions; bodies both ways with back-pressure and trailers.
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { Agent } from 'http2-wrapper';
import type { ByteStreamDuplex } from './byte-stream-duplex.ts';
import { CountedBody } from './counted-body.ts';
import { endToEnd, type HeaderList, headerObject, withoutHeaders } from './header-list.ts';
import {
  type HttpClient,
  httpLimits,
  type OutgoingRequest,
  type ResponseHead,
  type UpstreamAnswer,
  type UpstreamCall,
} from './http-exchange.ts';
import { pumpBody } from './pump-body.ts';

const idleSessionMs = 60_000;
const cancelCode = 8;
const endStreamFlag = 1;

interface Running {
  readonly session: ClientHttp2Session;
  streams: number;
  idleTimer: NodeJS.Timeout | undefined;
}

export function createHttp2Client(endpoint: string, connect: () => Promise<ByteStreamDuplex>): HttpClient {
  const connectFailures = new WeakSet<Error>();
  const agent = new Agent({ maxEmptySessions: Number.POSITIVE_INFINITY });
  agent.settings = {
    enablePush: false,
    initialWindowSize: httpLimits.streamWindowBytes,
    maxHeaderListSize: httpLimits.maxHeadBytes,
  };
  agent.createConnection = async () => {
    try {
      // The agent asks for a TLS socket and uses it as the stream that it is.
      return (await connect()) as never;
    } catch (cause) {
      if (cause instanceof Error) connectFailures.add(cause);
      throw cause;
    }
  };
  const running: Running[] = [];
  let dialing: Promise<Running> | undefined;

  async function open(): Promise<Running> {
    const session = await agent.getSession(`https://${endpoint}`);
    const entry: Running = { session, streams: 0, idleTimer: undefined };
    running.push(entry);
    const forget = (): void => {
      clearTimeout(entry.idleTimer);
      const index = running.indexOf(entry);
      if (index >= 0) running.splice(index, 1);
    };
    session.once('close', forget);
    session.once('goaway', forget);
    return entry;
  }

  /** The agent cannot tell sessions on a byte stream apart by origin; so they are held here, and it makes and guards them. */
  async function free(): Promise<Running> {
    const usable = running.find(({ session, streams }) => {
      return !session.closed && !session.destroyed && streams < (session.remoteSettings.maxConcurrentStreams ?? 100);
    });
    if (usable !== undefined) return usable;
    dialing ??= open().finally(() => {
      dialing = undefined;
    });
    const opened = await dialing;
    const limit = opened.session.remoteSettings.maxConcurrentStreams ?? 100;
    return opened.streams < Math.max(1, limit) ? opened : free();
  }

  function track(entry: Running, stream: ClientHttp2Stream): void {
    entry.streams += 1;
    clearTimeout(entry.idleTimer);
    stream.once('close', () => {
      entry.streams -= 1;
      if (entry.streams > 0) return;
      entry.idleTimer = setTimeout(() => entry.session.close(), idleSessionMs).unref();
    });
  }

  return {
    send(request) {
      return startCall(
        request,
        async () => {
          const entry = await free();
          const options = { endStream: request.body === undefined, waitForTrailers: request.body !== undefined };
          const stream = entry.session.request(rawHeaders(request), options);
          track(entry, stream);
          return stream;
        },
        connectFailures,
      );
    },
    get isIdle() {
      return running.length === 0 && dialing === undefined;
    },
    close: () => {
      for (const { idleTimer } of running) clearTimeout(idleTimer);
      agent.destroy();
    },
  };
}

function rawHeaders(request: OutgoingRequest): string[] {
  const { method, scheme, authority, path } = request;
  const headers = withoutHeaders(endToEnd(request.headers), new Set(['host']));
  return [':method', method, ':scheme', scheme, ':authority', authority, ':path', path, ...headers];
}

function startCall(
  request: OutgoingRequest,
  open: () => Promise<ClientHttp2Stream>,
  connectFailures: WeakSet<Error>,
): UpstreamCall {
  let stream: ClientHttp2Stream | undefined;
  let state: 'running' | 'aborted' = 'running';
  const answer = new Promise<UpstreamAnswer>((resolve) => {
    open().then(
      (opened) => {
        stream = opened;
        if (state === 'aborted') opened.close(cancelCode);
        carry(request, opened, resolve);
      },
      (cause: unknown) => {
        const error = cause instanceof Error ? cause : new Error(String(cause));
        request.body?.stream.destroy();
        resolve({ kind: 'failed', stage: connectFailures.has(error) ? 'connect' : 'reset', error });
      },
    );
  });
  return {
    answer,
    abort() {
      state = 'aborted';
      stream?.close(cancelCode);
    },
  };
}

function carry(request: OutgoingRequest, stream: ClientHttp2Stream, resolve: (answer: UpstreamAnswer) => void): void {
  let trailers: HeaderList = [];
  let failure: Error | undefined;
  stream.on('error', (error) => {
    failure = error;
  });
  stream.on('close', () => {
    const error = failure ?? new Error(`the stream was closed with code ${stream.rstCode} before a response`);
    resolve({ kind: 'failed', stage: 'reset', error });
  });
  stream.on('trailers', (_headers, _flags, raw) => {
    trailers = raw;
  });
  stream.on('response', (headers, flags, raw) => {
    const head: ResponseHead = { status: headers[':status'] ?? 0, headers: withoutStatus(raw) };
    if ((flags & endStreamFlag) !== 0) {
      stream.resume();
      resolve({ kind: 'response', head, body: undefined });
      return;
    }
    const body = new CancellableBody(stream);
    resolve({ kind: 'response', head, body: { stream: body, trailers: () => trailers } });
  });
  if (request.body !== undefined) sendBody(request.body, stream);
}

/** Giving up the response gives up the stream. */
class CancellableBody extends CountedBody {
  readonly #stream: ClientHttp2Stream;

  constructor(stream: ClientHttp2Stream) {
    super(stream);
    this.#stream = stream;
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    if (!this.readableEnded) this.#stream.close(cancelCode);
    super._destroy(error, callback);
  }
}

function sendBody(body: NonNullable<OutgoingRequest['body']>, stream: ClientHttp2Stream): void {
  stream.on('wantTrailers', () => stream.sendTrailers(headerObject(body.trailers())));
  pumpBody(body.stream, stream, {
    onBytes: () => undefined,
    onEnd: () => stream.end(),
    onLost: () => stream.close(cancelCode),
  });
}

const status = new Set([':status']);
const withoutStatus = (raw: readonly string[]): string[] => endToEnd(withoutHeaders(raw, status));
