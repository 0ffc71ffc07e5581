// The delta xDS protocol without its stream: a new stream or a response in, requests and mesh updates out (ztunnel.md §6.2,
// §6.3, §6.4). Steps of a generator are small; whoever runs them may do other work in between. One response after the other.
import { MeshError } from '../errors.ts';
import type { MeshUpdate } from '../mesh/mesh-source.ts';
import {
  type DeltaRequest,
  type DiscoveryNode,
  type DiscoveryResource,
  encodeDeltaRequest,
  encodeVersions,
  readDeltaResponse,
  readResource,
  resourcesOf,
} from './discovery-codec.ts';
import { draftUpdate, type ResourceType, type UpdateDraft } from './resource-type.ts';
import { Subscription } from './subscription.ts';

/** A step: an update to apply now, or nothing but a chance for others. */
export type Step = MeshUpdate | undefined;

export interface Rejection {
  readonly name: string;
  readonly reason: string;
}

export interface Received {
  readonly typeUrl: string;
  readonly resources: number;
  readonly removed: number;
  /** Sum of the resources' own bytes. */
  readonly bytes: number;
  /** The first of those that were refused, and how many there were. */
  readonly rejected: readonly Rejection[];
  readonly rejectedCount: number;
  /** Names that were asked for, and what became of them. */
  readonly told: readonly Told[];
  /** The ACK or NACK to send. */
  readonly answer: Buffer;
  /** `complete` once every type has been acknowledged. */
  readonly sync: 'waiting' | 'complete';
}

export interface Told {
  readonly name: string;
  readonly kind: 'found' | 'absent';
}

export interface DeltaSession {
  /** First requests of a new stream. */
  begin(): Generator<Step, readonly Buffer[]>;
  /** @param response its bytes, in pieces. @throws MeshError RESOURCE_INVALID when it as a whole cannot be read */
  receive(response: readonly Uint8Array[]): Generator<Step, Received>;
  /**
   * A name that the mesh misses, of the type that is on demand: `network/ip`, `namespace/hostname` or a uid. It is told by a
   * response, or on a new stream, until it is given up. @returns the request; undefined where nothing is on demand
   */
  ask(name: string): Buffer | undefined;
  /** The request for all that still wait for their answer, which is sent after the first ones of a new stream. */
  askAgain(): Buffer | undefined;
  giveUp(name: string): void;
  /** How many resources are held, by type URL. */
  held(): ReadonlyMap<string, number>;
}

export interface DeltaSessionOptions {
  readonly node: DiscoveryNode;
  /** In the order in which they are subscribed to. */
  readonly types: readonly ResourceType[];
  /** Of this type only what is asked for is wanted, and what the server adds; undefined: all of every type. */
  readonly onDemand?: ResourceType | undefined;
}

interface TypeState {
  readonly type: ResourceType;
  readonly wanted: 'all' | 'asked';
  /** Names that wait for their answer. */
  readonly asked: Set<string>;
  /** Names that are still subscribed to, and need not be. */
  readonly left: Set<string>;
  /** How many requests have asked for names on this stream. */
  requests: number;
  readonly subscription: Subscription;
  /** Whether an answer has come on this stream. */
  stream: 'fresh' | 'answered';
  sync: 'waiting' | 'complete';
}

const resourcesPerStep = 64;
const bytesPerStep = 65_536;
/** Kubernetes keeps no object that makes more than this. */
const maxResourceBytes = 2 * 1_048_576;
/** istiod takes requests of 4 MiB at most (ISTIO_GPRC_MAXRECVMSGSIZE). */
const maxVersionsBytes = 3 * 1_048_576;
/** How many reasons a NACK carries, and how long it may be. */
const maxReasons = 20;
const maxReasonLength = 400;
/** Names that are left, in all and in one request: more stay subscribed to, which costs the server some memory. */
const maxLeft = 10_000;
const maxLeftAtOnce = 1_000;
/** Every name there is. */
const anything = '*';

export function createDeltaSession({ node, types, onDemand }: DeltaSessionOptions): DeltaSession {
  const states = new Map(types.map((type) => [type.typeUrl, beginType(type, type === onDemand ? 'asked' : 'all')]));
  const demanded = onDemand && states.get(onDemand.typeUrl);
  const sync = (): Received['sync'] =>
    [...states.values()].every((state) => state.sync === 'complete') ? 'complete' : 'waiting';

  return {
    *begin() {
      const requests: Buffer[] = [];
      for (const state of states.values()) requests.push(yield* beginStream(node, state));
      return requests;
    },

    *receive(message) {
      const response = yield* readDeltaResponse(message);
      const { typeUrl, nonce, removed } = response;
      const state = states.get(typeUrl);
      const taken: Taken = { bytes: 0, rejected: [], rejectedCount: 0, told: [] };
      if (state !== undefined) yield* takeResponse(state, resourcesOf(message), removed, taken);
      const refusal: Partial<DeltaRequest> =
        taken.rejectedCount === 0 ? {} : { errorMessage: describeRejections(taken) };
      const answer = encodeDeltaRequest({ typeUrl, responseNonce: nonce, ...refusal });
      return { typeUrl, resources: response.resources, removed: removed.length, ...taken, answer, sync: sync() };
    },

    ask(name) {
      if (demanded === undefined) return undefined;
      demanded.asked.add(name);
      return askFor(demanded, [name]);
    },

    askAgain() {
      if (demanded === undefined || demanded.asked.size === 0) return undefined;
      return askFor(demanded, [...demanded.asked]);
    },

    giveUp(name) {
      if (demanded?.asked.delete(name)) leave(demanded, [name]);
    },

    held: () => new Map([...states].map(([typeUrl, { subscription }]) => [typeUrl, subscription.size])),
  };
}

function beginType(type: ResourceType, wanted: TypeState['wanted']): TypeState {
  // What comes only when it is asked for is never there as a whole: nobody waits for it.
  const sync = wanted === 'all' ? 'waiting' : 'complete';
  const names = { asked: new Set<string>(), left: new Set<string>(), requests: 0 };
  return { type, wanted, ...names, subscription: new Subscription(), stream: 'fresh', sync };
}

/** @returns the first request of a type on a stream */
function* beginStream(node: DiscoveryNode, state: TypeState): Generator<Step, Buffer> {
  const { type, wanted, subscription, left } = state;
  state.stream = 'fresh';
  state.requests = 0;
  left.clear();
  const unversioned = wanted === 'all' ? 'left-out' : 'told';
  const initialVersions = yield* encodeVersions(subscription.begin(maxVersionsBytes, unversioned));
  // Both ways at once: the server shall not take a request without names for one that wants everything.
  const names = wanted === 'all' ? {} : { subscribe: [anything], unsubscribe: [anything] };
  return encodeDeltaRequest({ node, typeUrl: type.typeUrl, initialVersions, ...names });
}

/** What a response has come to so far. */
interface Taken {
  bytes: number;
  readonly rejected: Rejection[];
  rejectedCount: number;
  readonly told: Told[];
}

function* takeResponse(
  state: TypeState,
  resources: Iterable<Uint8Array>,
  removed: readonly string[],
  taken: Taken,
): Generator<Step, void> {
  yield* takeResources(state, resources, taken);
  yield* takeRemovals(state, removed);
  if (state.stream === 'fresh') yield* takeRemovals(state, state.subscription.takeUnconfirmed());
  noteAbsent(state, removed, taken);
  leave(state, [...removed, ...taken.told.map(({ name }) => name)]);
  state.stream = 'answered';
  if (taken.rejectedCount === 0) state.sync = 'complete';
}

function* takeResources(state: TypeState, resources: Iterable<Uint8Array>, taken: Taken): Generator<Step, void> {
  let update = draftUpdate();
  let [count, size] = [0, 0];
  for (const resource of resources) {
    size += resource.length;
    takeResource(state, resource, update, taken);
    if (++count < resourcesPerStep && size < bytesPerStep) continue;
    yield update;
    update = draftUpdate();
    [count, size] = [0, 0];
  }
  if (count > 0) yield update;
}

function takeResource(state: TypeState, bytes: Uint8Array, update: UpdateDraft, taken: Taken): void {
  const { type, subscription } = state;
  let name = '';
  try {
    const resource = readResource(bytes);
    name = resource.name;
    taken.bytes += resource.value.length;
    noteFound(state, resource, taken);
    if (bytes.length > maxResourceBytes) {
      throw new MeshError('RESOURCE_INVALID', `it has ${bytes.length} bytes, more than ${maxResourceBytes}`);
    }
    const replaced = subscription.keep(name, resource.version, type.add(resource.value, update));
    if (replaced !== undefined) type.remove(replaced, update);
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    taken.rejectedCount += 1;
    if (taken.rejected.length < maxReasons) taken.rejected.push({ name, reason: error.message });
  }
  subscription.confirm(name);
}

/** Whoever asked by an address finds it among the aliases. */
function noteFound({ asked }: TypeState, { name, aliases }: DiscoveryResource, taken: Taken): void {
  if (asked.size === 0) return;
  for (const each of [name, ...aliases]) if (asked.delete(each)) taken.told.push({ name: each, kind: 'found' });
}

function noteAbsent({ asked }: TypeState, removed: readonly string[], taken: Taken): void {
  for (const name of removed) if (asked.delete(name)) taken.told.push({ name, kind: 'absent' });
}

/**
 * istiod answers to no name that it takes for subscribed, and to a request that subscribes to nothing new as if everything had
 * gone. So each request brings a name of its own that nothing has, and with it leaves the one before, and whatever else is not
 * needed: what was asked for by an address, which istiod follows under its own name from then on, and what is not there.
 */
function askFor(state: TypeState, names: readonly string[]): Buffer {
  const { type, left } = state;
  for (const name of names) left.delete(name);
  const unsubscribe = [...left].slice(0, maxLeftAtOnce);
  for (const name of unsubscribe) left.delete(name);
  state.requests += 1;
  const news = `ambientd/request-${state.requests}`;
  left.add(news);
  return encodeDeltaRequest({ typeUrl: type.typeUrl, subscribe: [...names, news], unsubscribe });
}

function leave({ wanted, subscription, left }: TypeState, names: Iterable<string>): void {
  if (wanted === 'all') return;
  for (const name of names) if (!subscription.has(name) && left.size < maxLeft) left.add(name);
}

/** After the updates of the same response, as ztunnel does. */
function* takeRemovals({ type, subscription }: TypeState, names: readonly string[]): Generator<Step, void> {
  for (let start = 0; start < names.length; start += resourcesPerStep) {
    const update = draftUpdate();
    for (const name of names.slice(start, start + resourcesPerStep)) type.remove(subscription.drop(name), update);
    yield update;
  }
}

function describeRejections({ rejected, rejectedCount }: Taken): string {
  const shown = rejected.map(({ name, reason }) => `${name}: ${reason}`.slice(0, maxReasonLength));
  const more = rejectedCount - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}
