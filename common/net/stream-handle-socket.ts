// The handles below node's sockets (libuv streams): reading into our own memory and writing without a stream object between.
// In: a handle. Out: calls on it, their results as values. `process.binding` is the only way to them; Node 24 is pinned.
// Hot path: test/bench/tunnel.ts (a connection without net.Socket, a read without an allocation).
import { getSystemErrorName } from 'node:util';
import { MeshError } from '../errors.ts';

/** A TCP or TLS stream of libuv, as node keeps it under `_handle`. */
export interface StreamHandle {
  readonly fd: number;
  onread: (() => Uint8Array | undefined) | undefined;
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): number;
  readStop(): number;
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  writev(request: WriteRequest, chunks: readonly Uint8Array[], areBuffers: true): number;
  shutdown(request: CompletedRequest): number;
  close(onClosed: () => void): void;
}

export interface TcpHandle extends StreamHandle {
  open(descriptor: number): number;
  listen(backlog: number): number;
  connect(request: CompletedRequest, ip: string, port: number): number;
  connect6(request: CompletedRequest, ip: string, port: number): number;
  getpeername(into: Partial<HandleAddress>): number;
  getsockname(into: Partial<HandleAddress>): number;
  setNoDelay(on: boolean): number;
  /** Closes with RST. */
  reset(onClosed: () => void): number;
  onconnection: ((status: number, handle: TcpHandle | undefined) => void) | undefined;
}

export interface HandleAddress {
  readonly address: string;
  readonly port: number;
}

interface CompletedRequest {
  oncomplete?: (status: number) => void;
}

interface WriteRequest extends CompletedRequest {
  /** Keeps the bytes alive while the kernel takes them. */
  buffer?: Uint8Array | readonly Uint8Array[];
}

interface Bindings {
  readonly WriteWrap: new () => WriteRequest;
  readonly ShutdownWrap: new () => CompletedRequest;
  readonly TCP: new (kind: number) => TcpHandle;
  readonly TCPConnectWrap: new () => CompletedRequest;
  readonly socketKind: number;
  readonly serverKind: number;
  /** Where the handles leave their results. */
  readonly results: Int32Array;
  readonly bytesRead: number;
  readonly wroteLater: number;
}

let loaded: Bindings | undefined;

function bindings(): Bindings {
  loaded ??= load();
  return loaded;
}

function load(): Bindings {
  const binding: unknown = Reflect.get(process, 'binding');
  if (typeof binding !== 'function') throw noHandles('process.binding is gone');
  const stream = binding.call(process, 'stream_wrap');
  const tcp = binding.call(process, 'tcp_wrap');
  const found: Bindings = {
    WriteWrap: stream.WriteWrap,
    ShutdownWrap: stream.ShutdownWrap,
    TCP: tcp.TCP,
    TCPConnectWrap: tcp.TCPConnectWrap,
    socketKind: tcp.constants?.SOCKET,
    serverKind: tcp.constants?.SERVER,
    results: stream.streamBaseState,
    bytesRead: stream.kReadBytesOrError,
    wroteLater: stream.kLastWriteWasAsync,
  };
  const lacking = Object.entries(found).find(([, value]) => value === undefined);
  if (lacking) throw noHandles(`${lacking[0]} is not where Node 24 has it`);
  return found;
}

function noHandles(detail: string): MeshError {
  return new MeshError(
    'INTERNAL',
    `this version of Node (${process.version}) is not supported: ${detail}; use Node 24`,
  );
}

export function createTcpHandle(kind: 'socket' | 'listener'): TcpHandle {
  const { TCP, socketKind, serverKind } = bindings();
  return new TCP(kind === 'socket' ? socketKind : serverKind);
}

/** The handle of a net.Socket or TLSSocket; undefined once it is closed. */
export function handleOf(socket: object): StreamHandle | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle !== 'object' || handle === null || !('useUserBuffer' in handle)) return undefined;
  return handle as StreamHandle;
}

/** Whoever a handle reads for. */
export interface ReadsInto {
  /** @param bytes how many, or a negative error number. @returns where to read next, if that changes */
  read(bytes: number): Uint8Array | undefined;
}

const readerKey = Symbol('reader');

/** One function for all handles, which node calls on the handle. */
function onRead(this: StreamHandle & { [readerKey]?: ReadsInto }): Uint8Array | undefined {
  const { results, bytesRead } = bindings();
  return this[readerKey]?.read(results[bytesRead] ?? 0);
}

/** From now on the handle reads into `buffer`, which the caller keeps alive. Once for each handle. */
export function readInto(
  handle: StreamHandle & { [readerKey]?: ReadsInto },
  buffer: Uint8Array,
  reader: ReadsInto,
): void {
  handle.useUserBuffer(buffer);
  handle[readerKey] = reader;
  handle.onread = onRead;
}

/** A request object that was not used up, because the kernel took all bytes at once. */
let spareWrite: WriteRequest | undefined;

/**
 * Writes, at once if the kernel takes all of it. One write at a time for TLS.
 * @param onDone only after 'pending': the status, negative for an error
 * @returns a negative number for an error
 */
export function writeTo(
  handle: StreamHandle,
  bytes: Uint8Array | readonly Uint8Array[],
  onDone: (status: number) => void,
): 'done' | 'pending' | number {
  const { WriteWrap, results, wroteLater } = bindings();
  const request = spareWrite ?? new WriteWrap();
  spareWrite = undefined;
  request.oncomplete = onDone;
  const status = bytes instanceof Uint8Array ? handle.writeBuffer(request, bytes) : handle.writev(request, bytes, true);
  if (status !== 0) return status;
  if (results[wroteLater] === 0) {
    spareWrite = request;
    return 'done';
  }
  request.buffer = bytes;
  return 'pending';
}

/** Ends the writing side. @param onDone the status; may come before this returns */
export function shutDown(handle: StreamHandle, onDone: (status: number) => void): void {
  const request = new (bindings().ShutdownWrap)();
  request.oncomplete = onDone;
  const status = handle.shutdown(request);
  // 1: done at once.
  if (status !== 0) onDone(status === 1 ? 0 : status);
}

/** @returns 0, or a negative error number: then `onDone` is not called */
export function connectTo(handle: TcpHandle, ip: string, port: number, onDone: (status: number) => void): number {
  const request = new (bindings().TCPConnectWrap)();
  request.oncomplete = onDone;
  return ip.includes(':') ? handle.connect6(request, ip, port) : handle.connect(request, ip, port);
}

/** As node's own errors: `code` is the errno's name. */
export function errorOf(call: string, status: number): Error {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`${call} ${code}`), { code });
}

/** What a read returns at the end of the stream. */
export const endOfStream = -4095;
