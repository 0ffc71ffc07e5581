// The native edge: the few Linux system calls that Node lacks, typed. Loaded at first use, so that whoever needs none of
// them runs without koffi. Numbers and bytes in and out; failures are SystemCallErrors with the errno's name as `code`.
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { MeshError } from '../errors.ts';
import { decodeDescriptors, descriptorRoomBytes, encodeDescriptors } from './control-message-codec.ts';
import * as linux from './linux-constants.ts';

type Koffi = typeof import('koffi');

export class SystemCallError extends Error {
  /** `EPERM`, `EADDRINUSE` … as node's own errors have it. */
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = errnoNames.get(errno) ?? `errno ${errno}`;
    super(`${call}: ${code}`);
    this.name = 'SystemCallError';
    this.code = code;
  }
}

const errnoNames = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));

/** Of one packet, sent or received; ZDS packets are limited to 1024. */
export const maxPacketBytes = 4096;
/** Of an IPv6 address, the longest that is accepted from. */
const sockaddrBytes = 28;
/** Of one socket option; the largest that is asked for is an IPv6 address. */
const maxOptionBytes = 256;
/** More than one is never right, but all that came must be seen to be closed. */
const maxPacketDescriptors = 8;

export interface Packet {
  /** Empty at the end of the connection. */
  readonly bytes: Buffer;
  /** Open in this process from now on; the receiver must close them. */
  readonly descriptors: readonly number[];
  /** 'cut' when bytes or descriptors did not fit and were lost. */
  readonly extent: 'whole' | 'cut';
}

export interface AcceptedDescriptor {
  readonly descriptor: number;
  /** The peer's, good until the next call. */
  readonly sockaddr: Buffer;
}

/** Calls `onReadable` while started and the descriptor can be read. Close it before the descriptor. */
export interface ReadableWatch {
  start(): void;
  stop(): void;
  close(): void;
}

export interface SystemCalls {
  /** Moves this thread into a network namespace. Only network-namespace-socket.ts may call it. */
  enterNetworkNamespace(descriptor: number): void;
  /** Moves this thread into a new, empty network namespace. Only network-namespace-socket.ts may call it. */
  enterNewNetworkNamespace(): void;
  isNetworkNamespace(descriptor: number): boolean;
  /** Non-blocking, closed on exec. */
  socket(family: number, type: number): number;
  setOption(descriptor: number, level: number, name: number, value: number): void;
  /** At most 256 bytes, good until the next call. */
  getOption(descriptor: number, level: number, name: number, sizeBytes: number): Buffer;
  bind(descriptor: number, sockaddr: Buffer): void;
  connect(descriptor: number, sockaddr: Buffer): void;
  /** Begins to connect, or asks how far it is. On loopback the kernel is done with it when this returns. */
  beginConnect(descriptor: number, sockaddr: Buffer): 'connected' | 'under way';
  /** Half-closes. */
  shutdownWriting(descriptor: number): void;
  listen(descriptor: number, backlog: number): void;
  /** undefined when nobody waits. */
  accept(descriptor: number): AcceptedDescriptor | undefined;
  sendPacket(descriptor: number, bytes: Buffer, descriptors: readonly number[]): void;
  /** undefined when there is nothing to read yet. */
  receivePacket(descriptor: number): Packet | undefined;
  watchReadable(descriptor: number, onReadable: () => void): ReadableWatch;
  /** Another descriptor of the same open file, closed on exec. */
  duplicate(descriptor: number): number;
  close(descriptor: number): void;
}

let loaded: SystemCalls | undefined;

/** @throws MeshError NOT_PERMITTED on another system than Linux, IO_FAILED when koffi cannot be loaded */
export function systemCalls(): SystemCalls {
  loaded ??= new KoffiSystemCalls(loadKoffi());
  return loaded;
}

function loadKoffi(): Koffi {
  if (process.platform !== 'linux') {
    throw new MeshError(
      'NOT_PERMITTED',
      `sockets in network namespaces need Linux, this is ${process.platform}; use PROXY_MODE=explicit here`,
    );
  }
  try {
    return createRequire(import.meta.url)('koffi');
  } catch (cause) {
    throw new MeshError(
      'IO_FAILED',
      `the npm package koffi cannot be loaded on ${process.platform}-${process.arch}; install with optional dependencies, or use PROXY_MODE=explicit`,
      { cause },
    );
  }
}

function declareCalls(koffi: Koffi) {
  // null: the symbols of this very process, which hold libc whatever its name is (glibc or musl).
  const libc = koffi.load(null);
  return {
    setns: libc.func('int setns(int fd, int type)'),
    unshare: libc.func('int unshare(int flags)'),
    socket: libc.func('int socket(int family, int type, int protocol)'),
    setsockopt: libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
    getsockopt: libc.func('int getsockopt(int fd, int level, int name, void *value, void *length)'),
    bind: libc.func('int bind(int fd, const void *address, uint32_t length)'),
    connect: libc.func('int connect(int fd, const void *address, uint32_t length)'),
    shutdown: libc.func('int shutdown(int fd, int how)'),
    listen: libc.func('int listen(int fd, int backlog)'),
    accept4: libc.func('int accept4(int fd, void *address, void *length, int flags)'),
    sendmsg: libc.func('intptr_t sendmsg(int fd, const void *message, int flags)'),
    recvmsg: libc.func('intptr_t recvmsg(int fd, void *message, int flags)'),
    fcntl: libc.func('int fcntl(int fd, int command, ...)'),
    ioctl: libc.func('int ioctl(int fd, unsigned long request, ...)'),
    close: libc.func('int close(int fd)'),
  };
}

class KoffiSystemCalls implements SystemCalls {
  private readonly koffi: Koffi;
  private readonly libc: ReturnType<typeof declareCalls>;
  // Buffers whose addresses the kernel is given live as long as this object: a collected one would be freed memory.
  private readonly value = Buffer.allocUnsafeSlow(4);
  private readonly length = Buffer.allocUnsafeSlow(4);
  private readonly peer = Buffer.allocUnsafeSlow(sockaddrBytes);
  private readonly option = Buffer.allocUnsafeSlow(maxOptionBytes);
  private readonly data = Buffer.allocUnsafeSlow(maxPacketBytes);
  private readonly control = Buffer.allocUnsafeSlow(descriptorRoomBytes(maxPacketDescriptors));
  private readonly vector = Buffer.alloc(16);
  /** struct msghdr: iov 16, iovlen 24, control 32, controllen 40, flags 48. */
  private readonly header = Buffer.alloc(56);

  constructor(koffi: Koffi) {
    this.koffi = koffi;
    this.libc = declareCalls(koffi);
    this.vector.writeBigUInt64LE(koffi.address(this.data), 0);
    this.header.writeBigUInt64LE(koffi.address(this.vector), 16);
    this.header.writeBigUInt64LE(1n, 24);
  }

  enterNetworkNamespace(descriptor: number): void {
    this.check('setns', this.libc.setns(descriptor, linux.CLONE_NEWNET));
  }

  enterNewNetworkNamespace(): void {
    this.check('unshare', this.libc.unshare(linux.CLONE_NEWNET));
  }

  isNetworkNamespace(descriptor: number): boolean {
    return this.libc.ioctl(descriptor, linux.NS_GET_NSTYPE) === linux.CLONE_NEWNET;
  }

  socket(family: number, type: number): number {
    return this.check('socket', this.libc.socket(family, type | linux.SOCK_NONBLOCK | linux.SOCK_CLOEXEC, 0));
  }

  setOption(descriptor: number, level: number, name: number, value: number): void {
    this.value.writeInt32LE(value, 0);
    this.check('setsockopt', this.libc.setsockopt(descriptor, level, name, this.value, 4));
  }

  getOption(descriptor: number, level: number, name: number, sizeBytes: number): Buffer {
    this.length.writeUInt32LE(Math.min(sizeBytes, this.option.length), 0);
    this.check('getsockopt', this.libc.getsockopt(descriptor, level, name, this.option, this.length));
    return this.option.subarray(0, this.length.readUInt32LE(0));
  }

  bind(descriptor: number, sockaddr: Buffer): void {
    this.check('bind', this.libc.bind(descriptor, sockaddr, sockaddr.length));
  }

  connect(descriptor: number, sockaddr: Buffer): void {
    this.check('connect', this.libc.connect(descriptor, sockaddr, sockaddr.length));
  }

  beginConnect(descriptor: number, sockaddr: Buffer): 'connected' | 'under way' {
    // The first call begins, a second one tells what has come of it (connect(2)).
    for (let call = 1; call <= 2; call += 1) {
      if (this.libc.connect(descriptor, sockaddr, sockaddr.length) >= 0) return 'connected';
      const errno = this.koffi.errno();
      if (errno === constants.errno.EISCONN) return 'connected';
      if (errno === constants.errno.EALREADY) return 'under way';
      if (errno !== constants.errno.EINPROGRESS && errno !== constants.errno.EINTR) {
        throw new SystemCallError('connect', errno);
      }
    }
    return 'under way';
  }

  shutdownWriting(descriptor: number): void {
    this.check('shutdown', this.libc.shutdown(descriptor, linux.SHUT_WR));
  }

  listen(descriptor: number, backlog: number): void {
    this.check('listen', this.libc.listen(descriptor, backlog));
  }

  accept(descriptor: number): AcceptedDescriptor | undefined {
    const flags = linux.SOCK_NONBLOCK | linux.SOCK_CLOEXEC;
    this.length.writeUInt32LE(this.peer.length, 0);
    const result = this.libc.accept4(descriptor, this.peer, this.length, flags);
    const accepted = this.checkUnlessEmpty('accept4', result);
    return accepted === undefined ? undefined : { descriptor: accepted, sockaddr: this.peer };
  }

  sendPacket(descriptor: number, bytes: Buffer, descriptors: readonly number[]): void {
    if (bytes.length > maxPacketBytes || descriptors.length > maxPacketDescriptors) {
      throw new RangeError(`a packet of ${bytes.length} bytes and ${descriptors.length} descriptors is too large`);
    }
    bytes.copy(this.data);
    const controlBytes = descriptors.length === 0 ? 0 : encodeDescriptors(descriptors).copy(this.control);
    this.prepareHeader(bytes.length, controlBytes);
    const flags = linux.MSG_NOSIGNAL | linux.MSG_DONTWAIT;
    this.check('sendmsg', Number(this.libc.sendmsg(descriptor, this.header, flags)));
  }

  receivePacket(descriptor: number): Packet | undefined {
    this.prepareHeader(maxPacketBytes, this.control.length);
    const flags = linux.MSG_DONTWAIT | linux.MSG_CMSG_CLOEXEC;
    const size = this.checkUnlessEmpty('recvmsg', Number(this.libc.recvmsg(descriptor, this.header, flags)));
    if (size === undefined) return undefined;
    const controlBytes = Number(this.header.readBigUInt64LE(40));
    const lost = this.header.readInt32LE(48) & (linux.MSG_TRUNC | linux.MSG_CTRUNC);
    return {
      bytes: Buffer.from(this.data.subarray(0, size)),
      descriptors: decodeDescriptors(this.control.subarray(0, controlBytes)),
      extent: lost === 0 ? 'whole' : 'cut',
    };
  }

  watchReadable(descriptor: number, onReadable: () => void): ReadableWatch {
    return watchReadable(this.koffi, descriptor, onReadable);
  }

  duplicate(descriptor: number): number {
    return this.check('fcntl', this.libc.fcntl(descriptor, linux.F_DUPFD_CLOEXEC, 'int', 3));
  }

  close(descriptor: number): void {
    this.check('close', this.libc.close(descriptor));
  }

  private prepareHeader(dataBytes: number, controlBytes: number): void {
    this.vector.writeBigUInt64LE(BigInt(dataBytes), 8);
    this.header.writeBigUInt64LE(controlBytes === 0 ? 0n : this.koffi.address(this.control), 32);
    this.header.writeBigUInt64LE(BigInt(controlBytes), 40);
    this.header.writeInt32LE(0, 48);
  }

  /** errno must be read straight after the call: koffi does not keep it. */
  private check(call: string, result: number): number {
    if (result < 0) throw new SystemCallError(call, this.koffi.errno());
    return result;
  }

  private checkUnlessEmpty(call: string, result: number): number | undefined {
    if (result >= 0) return result;
    const errno = this.koffi.errno();
    if (errno === constants.errno.EAGAIN || errno === constants.errno.EINTR) return undefined;
    throw new SystemCallError(call, errno);
  }
}

/** Handles that are started: one that is garbage collected would fall silent. */
const watching = new Set<unknown>();

function watchReadable(koffi: Koffi, descriptor: number, onReadable: () => void): ReadableWatch {
  let state: 'stopped' | 'started' | 'closed' = 'stopped';
  const notify = (): void => {
    if (state === 'started') onReadable();
  };
  // koffi runs no microtasks after its callback, so that promises would wait for the next timer: go through setImmediate.
  const onPoll = (): void => void setImmediate(notify);
  const handle = koffi.node.poll(descriptor, onPoll);
  handle.stop();
  return {
    start: () => {
      if (state !== 'stopped') return;
      state = 'started';
      watching.add(handle);
      handle.start(onPoll);
    },
    stop: () => {
      if (state !== 'started') return;
      state = 'stopped';
      watching.delete(handle);
      handle.stop();
    },
    close: () => {
      // A closed handle that is touched again ends the process.
      if (state === 'closed') return;
      state = 'closed';
      watching.delete(handle);
      handle.close();
    },
  };
}
