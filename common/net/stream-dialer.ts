// Dials a TCP connection as a byte stream, without an object of node:net. In: a prepared descriptor. Out: the stream, or a MeshError
// that names the address. Hot path: test/bench/tunnel.ts (connect64).
import { setTimeout } from 'node:timers/promises';
import { type Deadlines, deadlinesAfter } from '../deadlines.ts';
import { MeshError } from '../errors.ts';
import { formatSocketAddress, type SocketAddress } from './address.ts';
import { HandleStream } from './handle-stream-socket.ts';
import type { ConnectOptions } from './socket-factory.ts';
import { connectFailure, connectTimeout } from './socket-failure.ts';
import { connectTo, createTcpHandle, errorOf } from './stream-handle-socket.ts';
import { defaultConnectTimeoutMs } from './tcp-connect-socket.ts';

/**
 * @param prepare gives a descriptor that is not yet connected, which belongs to the stream from then on
 * @throws MeshError UPSTREAM_REFUSED, UPSTREAM_UNREACHABLE, UPSTREAM_CONNECT_TIMEOUT, or what `prepare` throws
 */
export function dialStream(
  prepare: (options: ConnectOptions) => number,
  options: ConnectOptions,
): Promise<HandleStream> {
  return new Promise((resolve, reject) => {
    const descriptor = prepare(options);
    new Dial(options, resolve, reject).start(descriptor);
  });
}

/** A target that this machine's kernel answers for: mostly connected at once, without a turn of the event loop. */
export interface NearTarget {
  /** @returns a descriptor that is not yet connected */
  prepare(options: ConnectOptions): number;
  /** Begins, or tells how far it is. @throws SystemCallError */
  begin(descriptor: number, to: SocketAddress): 'connected' | 'under way';
  close(descriptor: number): void;
}

/** Between two looks at a connection that was not made at once: the program's queue of connections was full. */
const lookAgainMs = 5;

/** @throws as `dialStream` */
export async function dialNearStream(near: NearTarget, options: ConnectOptions): Promise<HandleStream> {
  const { to, timeoutMs = defaultConnectTimeoutMs } = options;
  const descriptor = near.prepare(options);
  try {
    for (let waitedMs = 0; near.begin(descriptor, to) === 'under way'; waitedMs += lookAgainMs) {
      if (waitedMs >= timeoutMs) throw connectTimeout(formatSocketAddress(to), timeoutMs);
      await setTimeout(lookAgainMs);
    }
  } catch (error) {
    near.close(descriptor);
    throw error instanceof MeshError ? error : connectFailure(formatSocketAddress(to), error);
  }
  const handle = createTcpHandle('socket');
  const status = handle.open(descriptor) || handle.setNoDelay(true);
  if (status === 0) return new HandleStream(handle, to);
  handle.close(() => {});
  throw connectFailure(formatSocketAddress(to), errorOf('open', status));
}

class Dial {
  private readonly options: ConnectOptions;
  private readonly resolve: (stream: HandleStream) => void;
  private readonly reject: (error: MeshError) => void;
  private readonly handle = createTcpHandle('socket');
  private readonly deadlines: Deadlines;

  constructor(options: ConnectOptions, resolve: (stream: HandleStream) => void, reject: (error: MeshError) => void) {
    this.options = options;
    this.resolve = resolve;
    this.reject = reject;
    this.deadlines = deadlinesAfter(options.timeoutMs ?? defaultConnectTimeoutMs);
  }

  start(descriptor: number): void {
    const { ip, port } = this.options.to;
    this.deadlines.set(this.giveUp);
    let status = this.handle.open(descriptor);
    status ||= this.handle.setNoDelay(true);
    status ||= connectTo(this.handle, ip, port, (outcome) => this.connected(outcome));
    if (status !== 0) this.refuse(status);
  }

  private connected(outcome: number): void {
    this.deadlines.callOff(this.giveUp);
    if (outcome === 0) this.resolve(new HandleStream(this.handle, this.options.to));
    else if (outcome !== canceled) this.refuse(outcome);
  }

  private refuse(status: number): void {
    this.fail(connectFailure(formatSocketAddress(this.options.to), errorOf('connect', status)));
  }

  private fail(error: MeshError): void {
    this.deadlines.callOff(this.giveUp);
    this.handle.close(() => {});
    this.reject(error);
  }

  private readonly giveUp = (): void => {
    const { to, timeoutMs = defaultConnectTimeoutMs } = this.options;
    this.fail(connectTimeout(formatSocketAddress(to), timeoutMs));
  };
}

/** What a connect ends with whose handle was closed: it has been told already. */
const canceled = -125;
