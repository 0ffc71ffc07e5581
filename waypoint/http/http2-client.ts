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
const defaultStreamLimit = 100;
const cancelCode = 8;
const endStreamFlag = 1;

interface Running {
  readonly session: ClientHttp2Session;
  streams: number;
  idleTimer: NodeJS.Timeout | undefined;
}

export function createHttp2Client(endpoint: string, connect: () => Promise<ByteStreamDuplex>): HttpClient {
  const connectFailures = new WeakSet<Error>();
  const agent = createAgent(connect, connectFailures);
  const sessions = new SessionList(() => agent.getSession(`https://${endpoint}`));
  return {
    send(request) {
      return startCall(request, () => openStream(sessions, request), connectFailures);
    },
    get isIdle() {
      return sessions.isEmpty;
    },
    close: () => {
      sessions.close();
      agent.destroy();
    },
  };
}

function createAgent(connect: () => Promise<ByteStreamDuplex>, connectFailures: WeakSet<Error>): Agent {
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
  return agent;
}

/** The agent cannot tell sessions on a byte stream apart by origin; so they are held here, and it makes and guards them. */
class SessionList {
  readonly #make: () => Promise<ClientHttp2Session>;
  readonly #running: Running[] = [];
  #dialing: Promise<Running> | undefined;

  constructor(make: () => Promise<ClientHttp2Session>) {
    this.#make = make;
  }

  get isEmpty(): boolean {
    return this.#running.length === 0 && this.#dialing === undefined;
  }

  /** A session that takes one more stream now. */
  async free(): Promise<Running> {
    const usable = this.#running.find(({ session, streams }) => {
      return !session.closed && !session.destroyed && streams < streamLimit(session);
    });
    if (usable !== undefined) return usable;
    this.#dialing ??= this.#open().finally(() => {
      this.#dialing = undefined;
    });
    const opened = await this.#dialing;
    return opened.streams < Math.max(1, streamLimit(opened.session)) ? opened : this.free();
  }

  track(entry: Running, stream: ClientHttp2Stream): void {
    entry.streams += 1;
    clearTimeout(entry.idleTimer);
    stream.once('close', () => {
      entry.streams -= 1;
      if (entry.streams > 0) return;
      entry.idleTimer = setTimeout(() => entry.session.close(), idleSessionMs).unref();
    });
  }

  close(): void {
    for (const { idleTimer } of this.#running) clearTimeout(idleTimer);
  }

  async #open(): Promise<Running> {
    const session = await this.#make();
    const entry: Running = { session, streams: 0, idleTimer: undefined };
    this.#running.push(entry);
    const forget = (): void => {
      clearTimeout(entry.idleTimer);
      const index = this.#running.indexOf(entry);
      if (index >= 0) this.#running.splice(index, 1);
    };
    session.once('close', forget);
    session.once('goaway', forget);
    return entry;
  }
}

function streamLimit(session: ClientHttp2Session): number {
  return session.remoteSettings.maxConcurrentStreams ?? defaultStreamLimit;
}

async function openStream(sessions: SessionList, request: OutgoingRequest): Promise<ClientHttp2Stream> {
  const entry = await sessions.free();
  const hasBody = request.body !== undefined;
  const stream = entry.session.request(rawHeaders(request), { endStream: !hasBody, waitForTrailers: hasBody });
  sessions.track(entry, stream);
  return stream;
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
    const onChunk = (listener: (chunk: Buffer) => void): void => {
      body.onChunk = listener;
    };
    resolve({ kind: 'response', head, body: { stream: body, onChunk, trailers: () => trailers } });
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
