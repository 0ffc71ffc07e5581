// Operating system errors of sockets in, MeshErrors that name the address and the likely remedy out.
// The only place where errno names get a meaning. Source: tcp(7), ip(7), unix(7); codes of common/errors.ts.
import { MeshError, type MeshErrorCode } from '../errors.ts';

/** `ECONNREFUSED` and the like, from an error of node:net or of a system call; undefined for anything else. */
export function errnoOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || !('code' in cause)) return undefined;
  return typeof cause.code === 'string' ? cause.code : undefined;
}

/** As the C library puts it: people search logs for these words. Numbers are those of Linux. */
const osTexts: Record<string, string> = {
  EPERM: 'Operation not permitted (os error 1)',
  EACCES: 'Permission denied (os error 13)',
  EINVAL: 'Invalid argument (os error 22)',
  EMFILE: 'Too many open files (os error 24)',
  EPIPE: 'Broken pipe (os error 32)',
  EADDRNOTAVAIL: 'Cannot assign requested address (os error 99)',
  ENETUNREACH: 'Network is unreachable (os error 101)',
  ECONNRESET: 'Connection reset by peer (os error 104)',
  ETIMEDOUT: 'Connection timed out (os error 110)',
  ECONNREFUSED: 'Connection refused (os error 111)',
  EHOSTUNREACH: 'No route to host (os error 113)',
};

/** Undefined for what is no error of the operating system, and for its rarer ones. */
export function osErrorText(cause: unknown): string | undefined {
  return osTexts[errnoOf(cause) ?? ''];
}

const connectFailures: Record<string, readonly [MeshErrorCode, string]> = {
  ECONNREFUSED: ['UPSTREAM_REFUSED', 'nothing listens there'],
  ECONNRESET: ['UPSTREAM_REFUSED', 'the peer reset the handshake'],
  ETIMEDOUT: ['UPSTREAM_CONNECT_TIMEOUT', 'no answer: the host is down or packets are dropped on the way'],
  ENETUNREACH: ['UPSTREAM_UNREACHABLE', 'no route to that network'],
  EHOSTUNREACH: ['UPSTREAM_UNREACHABLE', 'no such host on the link, or a router refused'],
  EADDRNOTAVAIL: ['UPSTREAM_UNREACHABLE', 'no usable local address or port'],
  EACCES: ['UPSTREAM_UNREACHABLE', 'a local firewall rule forbids it'],
  EPERM: ['UPSTREAM_UNREACHABLE', 'a local firewall rule forbids it'],
  EINVAL: ['UPSTREAM_UNREACHABLE', 'that address cannot be reached from this source address'],
  ENOENT: ['UPSTREAM_REFUSED', 'there is no such socket; its server has not started yet'],
  EAFNOSUPPORT: ['UPSTREAM_UNREACHABLE', 'this address family is switched off here'],
  EMFILE: ['IO_FAILED', 'too many open files; raise the limit (ulimit -n)'],
};

/** @param target the address as people read it */
export function connectFailure(target: string, cause: unknown): MeshError {
  const errno = errnoOf(cause);
  const [code, reason] = connectFailures[errno ?? ''] ?? ['IO_FAILED', 'unexpected error'];
  return new MeshError(code, `connecting to ${target} failed: ${reason} (${errno ?? String(cause)})`, { cause });
}

export function connectTimeout(target: string, timeoutMs: number): MeshError {
  return new MeshError(
    'UPSTREAM_CONNECT_TIMEOUT',
    `connecting to ${target} failed: no answer within ${timeoutMs} ms; the host is down or packets are dropped on the way`,
  );
}

const listenFailures: Record<string, readonly [MeshErrorCode, string]> = {
  EADDRINUSE: ['ADDRESS_IN_USE', 'another process holds it; stop that one or choose another port'],
  EADDRNOTAVAIL: ['IO_FAILED', 'this address is not on any interface here'],
  EACCES: ['NOT_PERMITTED', 'ports below 1024 need CAP_NET_BIND_SERVICE'],
  EPERM: ['NOT_PERMITTED', 'it needs CAP_NET_ADMIN in the namespace'],
  EMFILE: ['IO_FAILED', 'too many open files; raise the limit (ulimit -n)'],
};

export function listenFailure(address: string, cause: unknown): MeshError {
  if (cause instanceof MeshError) return cause;
  const errno = errnoOf(cause);
  const [code, reason] = listenFailures[errno ?? ''] ?? ['IO_FAILED', 'unexpected error'];
  return new MeshError(code, `listening on ${address} failed: ${reason} (${errno ?? String(cause)})`, { cause });
}

/** Endings that a program causes by going away; anything else is a failure of the path. */
const resetErrnos = new Set(['ECONNRESET', 'EPIPE', 'ENOTCONN', 'ECONNABORTED', 'ERR_STREAM_DESTROYED']);

/** Loss of an established connection; a reason that this side gave is that. */
export function connectionLoss(peer: string, cause: Error): MeshError {
  if (cause instanceof MeshError) return cause;
  const errno = errnoOf(cause);
  if (errno !== undefined && resetErrnos.has(errno)) {
    return new MeshError('CONNECTION_RESET', `${peer} reset the connection (${errno})`, { cause });
  }
  return new MeshError('IO_FAILED', `the connection with ${peer} failed: ${cause.message}`, { cause });
}
