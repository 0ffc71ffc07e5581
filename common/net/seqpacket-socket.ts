// Unix sockets that carry packets and open descriptors (SOCK_SEQPACKET, SCM_RIGHTS), which Node has none of.
// In: a path. Out: connections that send a packet and wait for the next one. Source: unix(7), koffi's uv polling.
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { MeshError } from '../errors.ts';
import { AF_UNIX, SOCK_SEQPACKET } from './linux-constants.ts';
import { encodeUnixSockaddr, maxUnixPathBytes } from './sockaddr-codec.ts';
import { connectFailure, errnoOf, listenFailure } from './socket-failure.ts';
import { type Packet, type ReadableWatch, type SystemCalls, systemCalls } from './system-calls-socket.ts';

export interface SeqpacketConnection {
  /**
   * The next packet, empty at the end of the connection or after `close`. One call at a time. Descriptors in it belong to
   * the caller (`closeDescriptors`). @throws MeshError CONNECTION_RESET
   */
  receive(): Promise<Packet>;
  /** @throws MeshError CONNECTION_RESET when the peer is gone or does not read */
  send(bytes: Buffer, descriptors?: readonly number[]): void;
  /** Idempotent. */
  close(): void;
}

export interface SeqpacketListener {
  /** Stops listening and removes the file. Idempotent. */
  close(): void;
}

const endOfConnection: Packet = { bytes: Buffer.alloc(0), descriptors: [], extent: 'whole' };
const backlog = 16;

export function closeDescriptors(descriptors: readonly number[]): void {
  for (const descriptor of descriptors) systemCalls().close(descriptor);
}

/** @throws MeshError UPSTREAM_REFUSED when nobody listens there, IO_FAILED, CONFIG_INVALID for a path that is too long */
export function connectSeqpacket(path: string): SeqpacketConnection {
  const calls = systemCalls();
  const sockaddr = sockaddrOf(path);
  const descriptor = calls.socket(AF_UNIX, SOCK_SEQPACKET);
  try {
    calls.connect(descriptor, sockaddr);
    return new Connection(calls, descriptor, path);
  } catch (cause) {
    calls.close(descriptor);
    throw connectFailure(path, cause);
  }
}

/**
 * Only this user may connect (mode 0600). A file left by a server that is gone is replaced.
 * @throws MeshError ADDRESS_IN_USE, CONFIG_INVALID, IO_FAILED
 */
export function listenSeqpacket(
  path: string,
  onConnection: (connection: SeqpacketConnection) => void,
): SeqpacketListener {
  const calls = systemCalls();
  const sockaddr = sockaddrOf(path);
  removeStale(path);
  const descriptor = calls.socket(AF_UNIX, SOCK_SEQPACKET);
  try {
    calls.bind(descriptor, sockaddr);
    // Before `listen`, so that nobody connects in between.
    chmodSync(path, 0o600);
    calls.listen(descriptor, backlog);
  } catch (cause) {
    calls.close(descriptor);
    throw listenFailure(path, cause);
  }
  const watch = calls.watchReadable(descriptor, () => {
    const { accepted, outcome } = acceptAll(calls, descriptor);
    if (outcome === 'failed') pause(watch);
    for (const connection of accepted) onConnection(new Connection(calls, connection, path));
  });
  watch.start();
  let state: 'open' | 'closed' = 'open';
  return {
    close: () => {
      if (state === 'closed') return;
      state = 'closed';
      watch.close();
      calls.close(descriptor);
      rmSync(path, { force: true });
    },
  };
}

function acceptAll(calls: SystemCalls, descriptor: number): { accepted: number[]; outcome: 'done' | 'failed' } {
  const accepted: number[] = [];
  try {
    for (let next = calls.accept(descriptor); next !== undefined; next = calls.accept(descriptor))
      accepted.push(next.descriptor);
    return { accepted, outcome: 'done' };
  } catch {
    return { accepted, outcome: 'failed' };
  }
}

/** Out of descriptors, the listener stays readable: without a pause it would be asked without end. */
function pause(watch: ReadableWatch): void {
  watch.stop();
  setTimeout(() => watch.start(), 100).unref();
}

class Connection implements SeqpacketConnection {
  private readonly calls: SystemCalls;
  private readonly descriptor: number;
  private readonly path: string;
  private readonly watch: ReadableWatch;
  private waiting: { resolve(packet: Packet): void; reject(error: MeshError): void } | undefined;
  private state: 'open' | 'closed' = 'open';

  constructor(calls: SystemCalls, descriptor: number, path: string) {
    this.calls = calls;
    this.descriptor = descriptor;
    this.path = path;
    this.watch = calls.watchReadable(descriptor, () => this.tryReceive());
  }

  receive(): Promise<Packet> {
    if (this.state === 'closed') return Promise.resolve(endOfConnection);
    const { promise, resolve, reject } = Promise.withResolvers<Packet>();
    this.waiting = { resolve, reject };
    this.watch.start();
    return promise;
  }

  send(bytes: Buffer, descriptors: readonly number[] = []): void {
    if (this.state === 'closed') throw this.lost('it was closed before');
    try {
      this.calls.sendPacket(this.descriptor, bytes, descriptors);
    } catch (cause) {
      throw this.lost(`sending failed (${errnoOf(cause)})`, cause);
    }
  }

  close(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.watch.close();
    this.calls.close(this.descriptor);
    this.waiting?.resolve(endOfConnection);
    this.waiting = undefined;
  }

  private tryReceive(): void {
    const waiting = this.waiting;
    if (waiting === undefined) return;
    try {
      const packet = this.calls.receivePacket(this.descriptor);
      if (packet === undefined) return;
      this.waiting = undefined;
      this.watch.stop();
      waiting.resolve(packet);
    } catch (cause) {
      this.waiting = undefined;
      this.watch.stop();
      waiting.reject(this.lost(`receiving failed (${errnoOf(cause)})`, cause));
    }
  }

  private lost(reason: string, cause?: unknown): MeshError {
    return new MeshError('CONNECTION_RESET', `the connection over ${this.path} is lost: ${reason}`, { cause });
  }
}

function sockaddrOf(path: string): Buffer {
  const sockaddr = encodeUnixSockaddr(path);
  if (sockaddr !== undefined) return sockaddr;
  const size = Buffer.byteLength(path);
  throw new MeshError(
    'CONFIG_INVALID',
    `"${path}" cannot be a socket: it has ${size} bytes, 1 to ${maxUnixPathBytes} are possible; choose a shorter folder`,
  );
}

function removeStale(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new MeshError('ADDRESS_IN_USE', `${path} exists and is no socket; move it away`);
  try {
    connectSeqpacket(path).close();
  } catch {
    rmSync(path, { force: true });
    return;
  }
  throw new MeshError('ADDRESS_IN_USE', `another process listens on ${path}; stop that one or choose another path`);
}
