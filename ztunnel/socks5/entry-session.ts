// What a client of the explicit entry says before its bytes begin: SOCKS5 or an HTTP proxy request, told apart by the
// first byte. Chunks in; out: a reply and more to wait for, a refusal, or the target with what is to be said back.
import { MeshError } from '../../common/errors.ts';
import type { EntryTarget } from './entry-target.ts';
import { connectionEstablished, parseProxyRequest, writeProxyError } from './http-proxy-codec.ts';
import {
  parseGreeting,
  parseRequest,
  type SocksReply,
  socksVersion,
  writeMethodChoice,
  writeReply,
} from './socks5-codec.ts';

export type EntryStep =
  | { readonly kind: 'wait'; readonly reply: Buffer }
  | { readonly kind: 'refuse'; readonly reply: Buffer; readonly reason: string }
  | EntryConnect;

export interface EntryConnect {
  readonly kind: 'connect';
  readonly target: EntryTarget;
  /** What the destination gets first: the rewritten request, and bytes that came with it. */
  readonly first: Buffer;
  readonly connectedReply: Buffer;
  failedReply(error: Error): Buffer;
}

const nothing = Buffer.alloc(0);

export class EntrySession {
  #phase: 'greeting' | 'request' = 'greeting';
  #pending: Buffer = nothing;

  /** Not to be called again after `refuse` or `connect`. */
  feed(chunk: Buffer): EntryStep {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    if (this.#phase === 'greeting' && this.#pending[0] !== socksVersion) return this.#feedHttp();
    return this.#phase === 'greeting' ? this.#feedGreeting() : this.#feedRequest(nothing);
  }

  #feedGreeting(): EntryStep {
    const greeting = parseGreeting(this.#pending);
    if (greeting.kind === 'incomplete') return { kind: 'wait', reply: nothing };
    if (greeting.kind === 'malformed') return { kind: 'refuse', reply: nothing, reason: greeting.reason };
    const choice = writeMethodChoice(greeting.value);
    if (choice.accepted === 'no') {
      const reason = 'SOCKS5: the client insists on authentication; the entry takes none';
      return { kind: 'refuse', reply: choice.bytes, reason };
    }
    this.#phase = 'request';
    this.#pending = this.#pending.subarray(greeting.lengthBytes);
    return this.#feedRequest(choice.bytes);
  }

  /** @param before a reply that is due already */
  #feedRequest(before: Buffer): EntryStep {
    const request = parseRequest(this.#pending);
    if (request.kind === 'incomplete') return { kind: 'wait', reply: before };
    if (request.kind === 'malformed') {
      return { kind: 'refuse', reply: Buffer.concat([before, writeReply(request.reply)]), reason: request.reason };
    }
    return {
      kind: 'connect',
      target: request.value,
      first: this.#pending.subarray(request.lengthBytes),
      connectedReply: Buffer.concat([before, writeReply('succeeded')]),
      failedReply: (error) => Buffer.concat([before, writeReply(socksReplyOf(error))]),
    };
  }

  #feedHttp(): EntryStep {
    const request = parseProxyRequest(this.#pending);
    if (request.kind === 'incomplete') return { kind: 'wait', reply: nothing };
    if (request.kind === 'malformed') {
      return { kind: 'refuse', reply: writeProxyError(400, request.reason), reason: request.reason };
    }
    const rest = this.#pending.subarray(request.headBytes);
    return {
      kind: 'connect',
      target: request.target,
      first: request.kind === 'connect' ? rest : Buffer.concat([request.originHead, rest]),
      connectedReply: request.kind === 'connect' ? connectionEstablished : nothing,
      failedReply: (error) => writeProxyError(httpStatusOf(error), textOf(error)),
    };
  }
}

const unreachable = ['UPSTREAM_UNREACHABLE', 'UPSTREAM_CONNECT_TIMEOUT', 'TARGET_UNKNOWN', 'NO_ROUTE'];

function socksReplyOf(error: Error): SocksReply {
  if (!(error instanceof MeshError)) return 'generalFailure';
  if (error.onTheWire.connectStatus === 401) return 'notAllowed';
  if (error.code === 'UPSTREAM_REFUSED') return 'connectionRefused';
  return unreachable.includes(error.code) ? 'hostUnreachable' : 'generalFailure';
}

function httpStatusOf(error: Error): 400 | 403 | 503 {
  if (!(error instanceof MeshError)) return 503;
  const status = error.onTheWire.connectStatus;
  return status === 401 ? 403 : status;
}

function textOf(error: Error): string {
  return error instanceof MeshError ? `${error.code}: ${error.message}` : error.message;
}
