// HTTP/1.1 towards one endpoint: an undici pool whose connections are byte streams (HBONE or TCP) that `connect` opens.
// In: requests. Out: answers, never exceptions; response bodies with back-pressure and trailers.
import { Readable } from 'node:stream';
import { type Dispatcher, Pool } from 'undici';
import type { ByteStreamDuplex } from './byte-stream-duplex.ts';
import { endToEnd, findHeader, type HeaderList, lowerCaseNames } from './header-list.ts';
import {
  type HttpClient,
  httpLimits,
  type OutgoingRequest,
  type ResponseHead,
  type UpstreamAnswer,
  type UpstreamCall,
} from './http-exchange.ts';

/** Idle connections are given back before a common server's own 5 s, so that a request rarely meets a closing one. */
const keepAliveMs = 4_000;

export function createHttp1Client(endpoint: string, connect: () => Promise<ByteStreamDuplex>): HttpClient {
  const connectFailures = new WeakSet<Error>();
  const pool = new Pool(`http://${endpoint}`, {
    pipelining: 1,
    keepAliveTimeout: keepAliveMs,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: httpLimits.maxHeadBytes,
    connect(_options, callback) {
      connect().then(
        // undici asks for a socket and uses it as the stream that it is.
        (duplex) => callback(null, duplex as never),
        (cause: unknown) => {
          const error = cause instanceof Error ? cause : new Error(String(cause));
          connectFailures.add(error);
          callback(error, null);
        },
      );
    },
  });

  const send = (request: OutgoingRequest): UpstreamCall => {
    let settle: (answer: UpstreamAnswer) => void = () => undefined;
    const answer = new Promise<UpstreamAnswer>((resolve) => {
      settle = resolve;
    });
    const handler = new AnswerHandler(request, settle, (error) => stageOf(error, connectFailures));
    try {
      pool.dispatch(dispatchOptions(request), handler);
    } catch (error) {
      settle({ kind: 'failed', stage: 'protocol', error: asError(error) });
    }
    return { answer, abort: () => handler.abort() };
  };

  return {
    send,
    get isIdle() {
      const { running, pending, connected } = pool.stats;
      return running === 0 && pending === 0 && connected === 0;
    },
    close: () => {
      pool.destroy().catch(() => undefined);
    },
  };
}

function dispatchOptions(request: OutgoingRequest): Dispatcher.DispatchOptions {
  const headers = ['host', request.authority, ...endToEnd(request.headers)];
  return {
    method: request.method as Dispatcher.HttpMethod,
    path: request.path,
    headers,
    body: request.body?.stream ?? null,
    // A request goes out once: retrying is a decision of routing, not of the pool.
    idempotent: false,
    upgrade: request.upgrade ?? null,
  };
}

function stageOf(error: Error, connectFailures: WeakSet<Error>): 'connect' | 'reset' | 'protocol' {
  if (connectFailures.has(error)) return 'connect';
  return error.name === 'HTTPParserError' || error.name === 'InvalidArgumentError' ? 'protocol' : 'reset';
}

class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #request: OutgoingRequest;
  readonly #settle: (answer: UpstreamAnswer) => void;
  readonly #stage: (error: Error) => 'connect' | 'reset' | 'protocol';
  #controller: Dispatcher.DispatchController | undefined;
  #body: ResponseBody | undefined;
  #state: 'running' | 'aborted' = 'running';

  constructor(
    request: OutgoingRequest,
    settle: (answer: UpstreamAnswer) => void,
    stage: (error: Error) => 'connect' | 'reset' | 'protocol',
  ) {
    this.#request = request;
    this.#settle = settle;
    this.#stage = stage;
  }

  abort(): void {
    this.#state = 'aborted';
    this.#controller?.abort(new Error('the client went away'));
    this.#body?.destroy();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#state === 'aborted') controller.abort(new Error('the client went away'));
  }

  onRequestUpgrade(controller: Dispatcher.DispatchController, status: number, _headers: unknown, stream: never): void {
    this.#settle({ kind: 'switched', head: headOf(status, controller), stream });
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return;
    const head = headOf(status, controller);
    if (!carriesBody(head, this.#request.method)) {
      this.#settle({ kind: 'response', head, body: undefined });
      return;
    }
    const body = new ResponseBody(controller);
    this.#body = body;
    const trailers = (): HeaderList => flatten(controller.rawTrailers);
    this.#settle({ kind: 'response', head, body: { stream: body, trailers } });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#body?.push(chunk) === false) controller.pause();
  }

  onResponseEnd(): void {
    this.#body?.push(null);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#body?.destroy(error);
    this.#settle({ kind: 'failed', stage: this.#stage(error), error });
  }
}

class ResponseBody extends Readable {
  readonly #controller: Dispatcher.DispatchController;

  constructor(controller: Dispatcher.DispatchController) {
    super({ highWaterMark: 64 * 1024 });
    this.#controller = controller;
  }

  override _read(): void {
    this.#controller.resume();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    if (!this.readableEnded) this.#controller.abort(error ?? new Error('the response is not wanted any more'));
    callback(error);
  }
}

function headOf(status: number, controller: Dispatcher.DispatchController): ResponseHead {
  return { status, headers: endToEnd(flatten(controller.rawHeaders)) };
}

function carriesBody(head: ResponseHead, method: string): boolean {
  if (method === 'HEAD' || head.status === 204 || head.status === 304) return false;
  return findHeader(head.headers, 'content-length') !== '0';
}

/** undici gives names and values as latin1 buffers. */
function flatten(raw: unknown): string[] {
  if (!Array.isArray(raw)) return [];
  return lowerCaseNames(raw.map((part) => (Buffer.isBuffer(part) ? part.toString('latin1') : String(part))));
}

function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}
