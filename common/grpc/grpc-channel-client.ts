// gRPC calls with one message each way over one TLS connection that they share: made for the first call, made anew when it is
// gone or the roots have changed, closed after some time without calls. In: calls with deadlines. Out: answers.
import { tlsFailureText } from '../tls/tls-failure.ts';
import { type GrpcConnection, type GrpcServer, openGrpcConnection } from './grpc-connection-client.ts';
import { GrpcFailure, grpcStatus } from './grpc-status.ts';
import { callUnary, type UnaryAnswer, type UnaryCall } from './unary-call-client.ts';

export interface GrpcChannelOptions extends Pick<GrpcServer, 'address' | 'alternativeHostname'> {
  /** How long a connection may take to stand, with TLS; default 10 s. */
  readonly connectTimeoutMs?: number;
  /** How long a connection stands without calls; default 20 s. */
  readonly idleMs?: number;
}

export interface ChannelCall extends Omit<UnaryCall, 'authority'> {
  /** The server must be of these roots; "" for those of the machine. */
  readonly rootPem: string;
}

export interface GrpcChannel {
  /** @throws GrpcFailure, DEADLINE_EXCEEDED after `timeoutMs`; MeshError RESOURCE_INVALID for an answer that breaks a bound */
  call(call: ChannelCall): Promise<Buffer>;
  /** Ends the calls that there are, and refuses others. Idempotent. */
  close(): void;
}

const defaultConnectTimeoutMs = 10_000;
const defaultIdleMs = 20_000;

export function createGrpcChannel(options: GrpcChannelOptions): GrpcChannel {
  return new SharedConnectionChannel(options);
}

/** A connection, and the calls on it or waiting for it. */
interface Shared {
  readonly rootPem: string;
  readonly opened: Promise<GrpcConnection>;
  readonly ending: AbortController;
  /** Undefined until it stands. */
  connection: GrpcConnection | undefined;
  calls: number;
  idle: NodeJS.Timeout | undefined;
}

class SharedConnectionChannel implements GrpcChannel {
  readonly #options: GrpcChannelOptions;
  readonly #authority: string;
  readonly #calls = new Set<AbortController>();
  /** What the next call takes; those that came before it end with their last calls. */
  #shared: Shared | undefined;
  #state: 'open' | 'closed' = 'open';

  constructor(options: GrpcChannelOptions) {
    this.#options = options;
    this.#authority = new URL(options.address).host;
  }

  async call(call: ChannelCall): Promise<Buffer> {
    if (this.#state === 'closed') throw closed();
    const ending = new AbortController();
    const late = new GrpcFailure(grpcStatus.deadlineExceeded, `no answer within ${call.timeoutMs} ms`);
    const deadline = setTimeout(() => ending.abort(late), call.timeoutMs);
    this.#calls.add(ending);
    try {
      const first = await this.#attempt(call, ending.signal);
      // As a server goes away that has not seen it: nobody need hear of that.
      const answer = first.kind === 'answered' ? first : await this.#attempt(call, ending.signal);
      if (answer.kind === 'refused') throw answer.failure;
      return answer.message;
    } finally {
      clearTimeout(deadline);
      this.#calls.delete(ending);
    }
  }

  close(): void {
    this.#state = 'closed';
    if (this.#shared !== undefined) this.#retire(this.#shared);
    for (const call of this.#calls) call.abort(closed());
  }

  async #attempt(call: ChannelCall, signal: AbortSignal): Promise<UnaryAnswer> {
    const shared = this.#take(call.rootPem);
    shared.calls += 1;
    clearTimeout(shared.idle);
    try {
      const connection = await unlessAborted(shared.opened, signal);
      return await callUnary(connection, { ...call, authority: this.#authority }, signal);
    } catch (error) {
      // A connection that has let a deadline pass may be dead: the next call does not wait for it too.
      if (signal.aborted) this.#retire(shared);
      throw error;
    } finally {
      shared.calls -= 1;
      if (shared.calls === 0) this.#rest(shared);
    }
  }

  #take(rootPem: string): Shared {
    const current = this.#shared;
    if (current !== undefined) {
      if (current.rootPem === rootPem && current.connection?.isOpen() !== false) return current;
      this.#retire(current);
    }
    const shared = this.#dial(rootPem);
    this.#shared = shared;
    return shared;
  }

  #dial(rootPem: string): Shared {
    const { address, alternativeHostname, connectTimeoutMs = defaultConnectTimeoutMs } = this.#options;
    const ending = new AbortController();
    const server = { address, alternativeHostname, rootPem, connectTimeoutMs };
    const opened = openGrpcConnection(server, ending.signal).catch((cause: unknown) => {
      throw unreachable(cause);
    });
    const shared: Shared = { rootPem, opened, ending, connection: undefined, calls: 0, idle: undefined };
    opened.then(
      (connection) => {
        shared.connection = connection;
        connection.onClose(() => this.#retire(shared));
      },
      () => this.#retire(shared),
    );
    return shared;
  }

  /** Without a call for some time, or at once when no call can come: ends it. */
  #rest(shared: Shared): void {
    if (shared !== this.#shared) endConnection(shared);
    else shared.idle = setTimeout(() => this.#retire(shared), this.#options.idleMs ?? defaultIdleMs);
  }

  #retire(shared: Shared): void {
    if (this.#shared === shared) this.#shared = undefined;
    if (shared.calls === 0) endConnection(shared);
  }
}

/** Idempotent. */
function endConnection({ idle, ending, opened }: Shared): void {
  clearTimeout(idle);
  ending.abort();
  opened.then(
    (connection) => connection.close(),
    () => {},
  );
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function unreachable(cause: unknown): GrpcFailure {
  // Of a name with several addresses it holds what was wrong with each, and says nothing itself.
  const errors: readonly unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
  const reasons = errors.map((error) => (error instanceof Error ? tlsFailureText(error) : String(error)));
  return new GrpcFailure(grpcStatus.unavailable, `no connection: ${reasons.join(', ')}`);
}

function closed(): GrpcFailure {
  return new GrpcFailure(grpcStatus.unavailable, 'the client is closed');
}
