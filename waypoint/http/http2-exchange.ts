// One request on an HTTP/2 connection. In: node:http2's server stream and raw headers. Out: a ServerExchange. Bytes are counted as
// headers before compression plus bodies: what HPACK and frames add or save is not known here.
import type { ServerHttp2Stream } from 'node:http2';
import { CountedBody } from './counted-body.ts';
import { endToEnd, findHeader, type HeaderList, headerBytes, headerObject, withoutHeaders } from './header-list.ts';
import type { ExchangeEnd, MessageBody, RequestHead, ResponseHead, ServerExchange } from './http-exchange.ts';
import { normalizePath } from './normalize-path.ts';
import { pumpBody } from './pump-body.ts';

/** Error codes of RFC 9113 §7. */
const noError = 0;
const internalError = 2;

const notForwarded = new Set(['host', 'expect']);

export class Http2Exchange implements ServerExchange {
  readonly request: RequestHead;
  readonly body: MessageBody | undefined;
  readonly #stream: ServerHttp2Stream;
  readonly #requestBody: CountedBody | undefined;
  #requestTrailers: HeaderList = [];
  #sentHeadBytes = 0;
  #sentBodyBytes = 0;
  #end: ExchangeEnd | undefined;
  #onEnd: ((end: ExchangeEnd) => void) | undefined;

  constructor(stream: ServerHttp2Stream, rawHeaders: readonly string[], bodyKind: 'body' | 'no-body') {
    this.#stream = stream;
    this.request = headOf(rawHeaders);
    if (bodyKind === 'body') {
      const counted = new CountedBody(stream);
      this.#requestBody = counted;
      this.body = {
        stream: counted,
        onChunk: (listener) => (counted.onChunk = listener),
        trailers: () => this.#requestTrailers,
      };
      stream.on('trailers', (_trailers, _flags, raw) => {
        this.#requestTrailers = raw;
      });
    }
    stream.on('close', () => this.#finish());
  }

  respond(head: ResponseHead, body: MessageBody | Buffer | undefined): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    const headers = [':status', String(head.status), ...withoutHeaders(head.headers, connectionHeaders)];
    this.#sentHeadBytes = headerBytes(headers);
    if (body === undefined || Buffer.isBuffer(body)) {
      stream.respond(headers, { endStream: body === undefined });
      this.#sentBodyBytes = body?.length ?? 0;
      if (body !== undefined) stream.end(body);
      return;
    }
    stream.respond(headers, { waitForTrailers: true });
    stream.on('wantTrailers', () => {
      const trailers = body.trailers();
      this.#sentHeadBytes += headerBytes(trailers);
      stream.sendTrailers(headerObject(trailers));
    });
    pumpBody(body.stream, stream, {
      onBytes: (bytes) => {
        this.#sentBodyBytes += bytes;
      },
      onEnd: () => stream.end(),
      onLost: () => this.reset(),
    });
  }

  switchProtocols(): void {
    // HTTP/2 has no 101, and extended CONNECT is not offered: no request here asks for an upgrade.
    this.reset();
  }

  reset(): void {
    this.#stream.close(internalError);
  }

  onEnd(listener: (end: ExchangeEnd) => void): void {
    this.#onEnd = listener;
    if (this.#end !== undefined) listener(this.#end);
  }

  #finish(): void {
    const bodyBytes = this.#requestBody?.bytes ?? 0;
    const isWhole = this.#stream.rstCode === noError && this.#stream.writableFinished;
    this.#end = {
      kind: isWhole ? 'complete' : 'aborted',
      receivedBytes: this.request.headBytes + bodyBytes + headerBytes(this.#requestTrailers),
      sentBytes: this.#sentHeadBytes + this.#sentBodyBytes,
      receivedBodyBytes: bodyBytes,
      sentBodyBytes: this.#sentBodyBytes,
    };
    this.#onEnd?.(this.#end);
  }
}

/** Not allowed in HTTP/2 (RFC 9113 §8.2.2). */
const connectionHeaders = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'proxy-connection']);

function headOf(raw: readonly string[]): RequestHead {
  const headers = joinCookies(raw);
  const regular = withoutHeaders(headers, pseudo);
  return {
    protocol: 'HTTP/2',
    method: findHeader(headers, ':method') ?? '',
    scheme: findHeader(headers, ':scheme') ?? 'http',
    authority: findHeader(headers, ':authority') ?? findHeader(headers, 'host') ?? '',
    path: normalizePath(findHeader(headers, ':path') ?? '/'),
    headers: withoutHeaders(endToEnd(regular), notForwarded),
    upgrade: undefined,
    headBytes: headerBytes(raw),
  };
}

const pseudo = new Set([':method', ':scheme', ':authority', ':path', ':protocol']);

/** HTTP/2 may send a cookie in pieces, which HTTP/1.1 must not see (RFC 9113 §8.2.3). */
function joinCookies(raw: readonly string[]): readonly string[] {
  const cookies: string[] = [];
  for (let i = 0; i < raw.length; i += 2) if (raw[i] === 'cookie') cookies.push(raw[i + 1] ?? '');
  if (cookies.length < 2) return raw;
  return [...withoutHeaders(raw, new Set(['cookie'])), 'cookie', cookies.join('; ')];
}
