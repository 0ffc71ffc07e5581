// Network namespaces: where a socket belongs is decided by the namespace its thread stands in at `socket()`, and only then.
// In: a path or descriptor of a namespace. Out: `run`, which stands in it for one synchronous call. Source: setns(2).
import { fstatSync, openSync, promises } from 'node:fs';
import { MeshError } from '../errors.ts';
import { errnoOf } from './socket-failure.ts';
import { systemCalls } from './system-calls-socket.ts';

declare const identityBrand: unique symbol;

/** Device and inode of a namespace: two descriptors of one namespace have the same. */
export type NamespaceIdentity = string & { readonly [identityBrand]: true };

export interface NetworkNamespace {
  readonly identity: NamespaceIdentity;
  /** Keeps the namespace alive until `close`, as do the sockets made in it. */
  readonly descriptor: number;
  /**
   * Calls `act` while this thread stands in the namespace. `act` must be synchronous, must not call `run` again, and must
   * start no thread (no file promises, no crypto jobs, no Worker): a thread started there would stay there.
   * @throws MeshError NOT_PERMITTED, IO_FAILED; whatever `act` throws
   */
  run<T>(act: () => T): T;
  /** Idempotent. */
  close(): void;
}

let home: number | undefined;
let place: 'home' | 'away' = 'home';
let threadPool: Promise<unknown> | undefined;

/**
 * @param origin a path such as /var/run/netns/x, or a descriptor, which is duplicated: the caller keeps and closes its own
 * @throws MeshError RESOURCE_INVALID when it is no network namespace, IO_FAILED when it cannot be opened
 */
export async function openNamespace(origin: string | number): Promise<NetworkNamespace> {
  await prepareThread();
  let descriptor: number;
  try {
    descriptor = typeof origin === 'string' ? openSync(origin, 'r') : systemCalls().duplicate(origin);
  } catch (cause) {
    throw new MeshError('IO_FAILED', `the network namespace ${origin} cannot be opened (${errnoOf(cause)})`, { cause });
  }
  if (!systemCalls().isNetworkNamespace(descriptor)) {
    systemCalls().close(descriptor);
    throw new MeshError(
      'RESOURCE_INVALID',
      `${origin} is no network namespace; expected something like /var/run/netns/x`,
    );
  }
  return new OpenNamespace(descriptor);
}

/** One that somebody else in this process keeps open, and closes when nobody here uses it any more. */
export async function borrowNamespace(descriptor: number): Promise<NetworkNamespace> {
  await prepareThread();
  return new OpenNamespace(descriptor, 'borrowed');
}

/**
 * A new namespace, empty but for a loopback interface that is down; it has no name and ends with its last descriptor.
 * @throws MeshError NOT_PERMITTED without CAP_SYS_ADMIN
 */
export async function createAnonymousNamespace(): Promise<NetworkNamespace> {
  await prepareThread();
  const descriptor = away(
    () => systemCalls().enterNewNetworkNamespace(),
    () => openSync('/proc/thread-self/ns/net', 'r'),
  );
  return new OpenNamespace(descriptor);
}

/** Of any descriptor of a namespace, without opening it. @throws MeshError IO_FAILED */
export function identifyNamespace(descriptor: number): NamespaceIdentity {
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return `${dev}:${ino}` as NamespaceIdentity;
  } catch (cause) {
    throw new MeshError('IO_FAILED', `descriptor ${descriptor} is not open (${errnoOf(cause)})`, { cause });
  }
}

class OpenNamespace implements NetworkNamespace {
  readonly identity: NamespaceIdentity;
  readonly descriptor: number;
  private readonly ownership: 'own' | 'borrowed';
  private state: 'open' | 'closed' = 'open';

  constructor(descriptor: number, ownership: 'own' | 'borrowed' = 'own') {
    this.descriptor = descriptor;
    this.ownership = ownership;
    this.identity = identifyNamespace(descriptor);
  }

  run<T>(act: () => T): T {
    if (this.state === 'closed') {
      throw new MeshError('IO_FAILED', `the network namespace ${this.identity} was closed before; its pod is gone`);
    }
    return away(() => systemCalls().enterNetworkNamespace(this.descriptor), act);
  }

  close(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    if (this.ownership === 'own') systemCalls().close(this.descriptor);
  }
}

/** Node starts its thread pool at the first job; started while this thread is away, all its threads would stay away. */
async function prepareThread(): Promise<void> {
  threadPool ??= promises.stat('/');
  await threadPool;
  // thread-self: /proc/self would be the main thread's namespace in a worker.
  home ??= openSync('/proc/thread-self/ns/net', 'r');
}

function away<T>(leave: () => void, act: () => T): T {
  if (place === 'away') throw new MeshError('INTERNAL', 'a network namespace was entered from inside another one');
  try {
    leave();
  } catch (cause) {
    const remedy = 'it needs CAP_SYS_ADMIN over the namespace, as root or inside unshare -Urn';
    throw new MeshError('NOT_PERMITTED', `a network namespace cannot be entered (${errnoOf(cause)}); ${remedy}`, {
      cause,
    });
  }
  place = 'away';
  try {
    const result = act();
    if (isThenable(result)) {
      throw new MeshError('INTERNAL', 'a promise was made inside a network namespace; it would settle outside');
    }
    return result;
  } finally {
    goHome();
  }
}

function goHome(): void {
  try {
    if (home === undefined) throw new MeshError('INTERNAL', 'the thread left without knowing its home namespace');
    systemCalls().enterNetworkNamespace(home);
    place = 'home';
  } catch {
    // Every later socket would land in a pod: nothing may run on this thread any more.
    process.abort();
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
