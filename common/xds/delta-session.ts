// The delta xDS protocol without its stream: a new stream or a response in, requests and mesh updates out (ztunnel.md §6.2,
// §6.4). Steps of a generator are small; whoever runs them may do other work in between. One response after the other.
import { MeshError } from '../errors.ts';
import type { MeshUpdate } from '../mesh/mesh-source.ts';
import {
  type DeltaRequest,
  type DiscoveryNode,
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
  readonly rejected: readonly Rejection[];
  /** The ACK or NACK to send. */
  readonly answer: Buffer;
  /** `complete` once every type has been acknowledged. */
  readonly sync: 'waiting' | 'complete';
}

export interface DeltaSession {
  /** First requests of a new stream. */
  begin(): Generator<Step, readonly Buffer[]>;
  /** @param response its bytes, in pieces. @throws MeshError RESOURCE_INVALID when it as a whole cannot be read */
  receive(response: readonly Uint8Array[]): Generator<Step, Received>;
  /** How many resources are held, by type URL. */
  held(): ReadonlyMap<string, number>;
}

interface TypeState {
  readonly type: ResourceType;
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

/** @param types in the order in which they are subscribed to */
export function createDeltaSession(node: DiscoveryNode, types: readonly ResourceType[]): DeltaSession {
  const states = new Map(
    types.map((type): [string, TypeState] => [
      type.typeUrl,
      { type, subscription: new Subscription(), stream: 'fresh', sync: 'waiting' },
    ]),
  );
  const sync = (): Received['sync'] =>
    [...states.values()].every((state) => state.sync === 'complete') ? 'complete' : 'waiting';

  return {
    *begin() {
      const requests: Buffer[] = [];
      for (const [typeUrl, state] of states) {
        state.stream = 'fresh';
        const initialVersions = yield* encodeVersions(state.subscription.begin(maxVersionsBytes));
        requests.push(encodeDeltaRequest({ node, typeUrl, initialVersions }));
      }
      return requests;
    },

    *receive(message) {
      const response = yield* readDeltaResponse(message);
      const { typeUrl, nonce, removed } = response;
      const state = states.get(typeUrl);
      const rejected: Rejection[] = [];
      let bytes = 0;
      if (state !== undefined) {
        bytes = yield* takeResources(state, resourcesOf(message), rejected);
        yield* takeRemovals(state, removed);
        if (state.stream === 'fresh') yield* takeRemovals(state, state.subscription.takeUnconfirmed());
        state.stream = 'answered';
        if (rejected.length === 0) state.sync = 'complete';
      }
      const refusal: Partial<DeltaRequest> =
        rejected.length === 0 ? {} : { errorMessage: describeRejections(rejected) };
      const answer = encodeDeltaRequest({ typeUrl, responseNonce: nonce, ...refusal });
      return { typeUrl, resources: response.resources, removed: removed.length, bytes, rejected, answer, sync: sync() };
    },

    held: () => new Map([...states].map(([typeUrl, { subscription }]) => [typeUrl, subscription.size])),
  };
}

/** @returns the bytes of all */
function* takeResources(
  state: TypeState,
  resources: Iterable<Uint8Array>,
  rejected: Rejection[],
): Generator<Step, number> {
  let total = 0;
  let update = draftUpdate();
  let [count, size] = [0, 0];
  for (const resource of resources) {
    size += resource.length;
    const outcome = takeResource(state, resource, update);
    if (outcome.kind === 'rejected') rejected.push(outcome);
    total += outcome.bytes;
    if (++count < resourcesPerStep && size < bytesPerStep) continue;
    yield update;
    update = draftUpdate();
    [count, size] = [0, 0];
  }
  if (count > 0) yield update;
  return total;
}

type Outcome = { readonly kind: 'taken'; readonly bytes: number } | (Rejection & { kind: 'rejected'; bytes: number });

function takeResource({ type, subscription }: TypeState, bytes: Uint8Array, update: UpdateDraft): Outcome {
  let name = '';
  try {
    const resource = readResource(bytes);
    name = resource.name;
    if (bytes.length > maxResourceBytes) {
      throw new MeshError('RESOURCE_INVALID', `it has ${bytes.length} bytes, more than ${maxResourceBytes}`);
    }
    subscription.confirm(name);
    const replaced = subscription.keep(name, resource.version, type.add(resource.value, update));
    if (replaced !== undefined) type.remove(replaced, update);
    return { kind: 'taken', bytes: resource.value.length };
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    subscription.confirm(name);
    return { kind: 'rejected', name, reason: error.message, bytes: bytes.length };
  }
}

/** After the updates of the same response, as ztunnel does. */
function* takeRemovals({ type, subscription }: TypeState, names: readonly string[]): Generator<Step, void> {
  for (let start = 0; start < names.length; start += resourcesPerStep) {
    const update = draftUpdate();
    for (const name of names.slice(start, start + resourcesPerStep)) type.remove(subscription.drop(name), update);
    yield update;
  }
}

function describeRejections(rejected: readonly Rejection[]): string {
  const shown = rejected.slice(0, maxReasons).map(({ name, reason }) => `${name}: ${reason}`.slice(0, maxReasonLength));
  const more = rejected.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}
