// One request on an HTTP/1.1 connection. In: node:http's request and response. Out: a ServerExchange; bytes on the wire are read
// off the connection, from the end of the exchange before to the end of this one.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ByteStreamDuplex } from './byte-stream-duplex.ts';
import { CountedBody } from './counted-body.ts';
import { endToEnd, findHeader, type HeaderList, headerBytes, lowerCaseNames, withoutHeaders } from './header-list.ts';
import type { ExchangeEnd, MessageBody, RequestHead, ResponseHead, ServerExchange } from './http-exchange.ts';
import { joinDuplexes } from './join-duplexes.ts';
import { normalizePath } from './normalize-path.ts';
import { pumpBody } from './pump-body.ts';

const notForwarded = new Set(['host', 'expect']);

/** Bytes of each connection that finished exchanges have already counted. */
const counted = new WeakMap<ByteStreamDuplex, { read: number; written: number }>();

export class Http1Exchange implements ServerExchange {
  readonly request: RequestHead;
  readonly body: MessageBody | undefined;
  readonly #response: ServerResponse;
  readonly #connection: ByteStreamDuplex;
  readonly #requestBody: CountedBody | undefined;
  #sentBodyBytes = 0;
  #receivedAfterSwitch = 0;
  #end: ExchangeEnd | undefined;
  #onEnd: ((end: ExchangeEnd) => void) | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, connection: ByteStreamDuplex) {
    this.#response = response;
    this.#connection = connection;
    this.request = headOf(request);
    if (hasBody(request)) {
      const stream = new CountedBody(request);
      this.#requestBody = stream;
      this.body = { stream, trailers: () => lowerCaseNames(request.rawTrailers) };
    }
    response.sendDate = false;
    // Node says `connection: keep-alive` on every response unless told not to; closing is said where it happens.
    response.removeHeader('connection');
    response.on('error', () => undefined);
    response.on('close', () => this.#finish(response.writableFinished ? 'complete' : 'aborted'));
  }

  respond(head: ResponseHead, body: MessageBody | Buffer | undefined): void {
    const response = this.#response;
    const headers = [...head.headers];
    if (!response.shouldKeepAlive) headers.push('connection', 'close');
    if (body === undefined && mayHaveBody(head, this.request) && findHeader(headers, 'content-length') === undefined) {
      headers.push('content-length', '0');
    }
    response.writeHead(head.status, headers);
    if (body === undefined || Buffer.isBuffer(body)) {
      this.#sentBodyBytes = body?.length ?? 0;
      response.end(body);
      return;
    }
    response.flushHeaders();
    pumpBody(body.stream, response, {
      onBytes: (bytes) => {
        this.#sentBodyBytes += bytes;
      },
      onEnd: () => {
        const trailers = body.trailers();
        if (trailers.length > 0 && response.chunkedEncoding) response.addTrailers(asPairs(trailers));
        response.end();
      },
      onLost: () => this.#connection.destroy(),
    });
  }

  switchProtocols(head: ResponseHead, upstream: Duplex): void {
    const response = this.#response;
    const connection = this.#connection;
    response.detachSocket(response.socket ?? (connection as never));
    let text = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n';
    text += `upgrade: ${this.request.upgrade ?? 'websocket'}\r\n`;
    for (let i = 0; i < head.headers.length; i += 2) text += `${head.headers[i]}: ${head.headers[i + 1]}\r\n`;
    connection.write(`${text}\r\n`, 'latin1');
    const count = {
      received: (bytes: number) => {
        this.#receivedAfterSwitch += bytes;
      },
      sent: (bytes: number) => {
        this.#sentBodyBytes += bytes;
      },
    };
    joinDuplexes(connection, upstream, count, () => this.#finish('complete'));
  }

  reset(): void {
    this.#connection.destroy();
  }

  onEnd(listener: (end: ExchangeEnd) => void): void {
    this.#onEnd = listener;
    if (this.#end !== undefined) listener(this.#end);
  }

  #finish(kind: ExchangeEnd['kind']): void {
    if (this.#end !== undefined) return;
    const { readBytes, writtenBytes } = this.#connection;
    const before = counted.get(this.#connection) ?? { read: 0, written: 0 };
    counted.set(this.#connection, { read: readBytes, written: writtenBytes });
    this.#end = {
      kind,
      receivedBytes: readBytes - before.read,
      sentBytes: writtenBytes - before.written,
      receivedBodyBytes: (this.#requestBody?.bytes ?? 0) + this.#receivedAfterSwitch,
      sentBodyBytes: this.#sentBodyBytes,
    };
    this.#onEnd?.(this.#end);
  }
}

function headOf(request: IncomingMessage): RequestHead {
  const raw = lowerCaseNames(request.rawHeaders);
  const upgrade = findHeader(raw, 'upgrade');
  const method = request.method ?? '';
  const target = splitTarget(request.url ?? '/', findHeader(raw, 'host') ?? '');
  return {
    protocol: 'HTTP/1.1',
    method,
    scheme: findHeader(raw, 'x-forwarded-proto') === 'https' ? 'https' : 'http',
    authority: target.authority,
    path: normalizePath(target.path),
    headers: withoutHeaders(endToEnd(raw), notForwarded),
    upgrade: upgrade?.toLowerCase() === 'websocket' ? 'websocket' : undefined,
    headBytes: method.length + (request.url?.length ?? 0) + 14 + headerBytes(raw),
  };
}

/** An absolute request target names its own authority, which overrules Host (RFC 9112 §3.2.2). */
function splitTarget(target: string, host: string): { authority: string; path: string } {
  const match = /^https?:\/\/([^/?#]+)(.*)$/i.exec(target);
  if (match === null) return { authority: host, path: target };
  const path = match[2] ?? '';
  return { authority: match[1] ?? host, path: path.startsWith('/') ? path : `/${path}` };
}

function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length'];
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

function mayHaveBody(head: ResponseHead, request: RequestHead): boolean {
  return head.status >= 200 && head.status !== 204 && head.status !== 304 && request.method !== 'HEAD';
}

function asPairs(headers: HeaderList): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i < headers.length; i += 2) pairs.push([headers[i] ?? '', headers[i + 1] ?? '']);
  return pairs;
}
