// ztunnel's side of ZDS as a state machine: what the agent says, or what came of an action, in; next state and actions
// out. Which pods run, which wait to be tried again, which the snapshot named. Source: ztunnel.md §5.3–5.4.
import type { NamespaceIdentity } from '../net/network-namespace-socket.ts';
import type { PodWorkload, ZdsRequest } from './zds-codec.ts';

export interface Placement {
  readonly workload: PodWorkload;
  readonly namespace: NamespaceIdentity;
}

export type ZdsPhase =
  | { readonly kind: 'disconnected' }
  /** `named`: pods of the snapshot so far; what runs beside them ends with it. */
  | { readonly kind: 'snapshot'; readonly named: ReadonlySet<string> }
  | { readonly kind: 'live' };

export interface ZdsState {
  readonly phase: ZdsPhase;
  readonly running: ReadonlyMap<string, NamespaceIdentity>;
  /** Pods that could not be started; they are tried again. */
  readonly pending: ReadonlyMap<string, Placement>;
}

export type ZdsEvent =
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected' }
  /** `namespaces`: the namespaces whose descriptors came along. */
  | { readonly kind: 'request'; readonly request: ZdsRequest; readonly namespaces: readonly NamespaceIdentity[] }
  | { readonly kind: 'started'; readonly placement: Placement; readonly answer: ZdsAnswer }
  | {
      readonly kind: 'start-failed';
      readonly placement: Placement;
      readonly answer: ZdsAnswer;
      readonly reason: string;
    }
  | { readonly kind: 'retry-due' };

/** Whether the agent waits for the outcome of a start. */
export type ZdsAnswer = 'expected' | 'none';

export type ZdsAction =
  /** Its outcome comes back as `started` or `start-failed` before the next event. */
  | { readonly kind: 'start'; readonly placement: Placement; readonly answer: ZdsAnswer }
  | { readonly kind: 'stop'; readonly uid: string }
  /** The descriptor kept for another try is not needed any more. */
  | { readonly kind: 'forget'; readonly uid: string }
  | { readonly kind: 'acknowledge'; readonly error: string | undefined }
  /** The agent broke the protocol: tell it, and connect anew. */
  | { readonly kind: 'disconnect'; readonly error: string };

export interface ZdsStep {
  readonly state: ZdsState;
  readonly actions: readonly ZdsAction[];
}

export const initialZdsState: ZdsState = { phase: { kind: 'disconnected' }, running: new Map(), pending: new Map() };

const acknowledged: ZdsAction = { kind: 'acknowledge', error: undefined };

/** Every pod that the agent knows of is served. */
export function isReady({ phase, pending }: ZdsState): boolean {
  return phase.kind === 'live' && pending.size === 0;
}

export function advanceZds(state: ZdsState, event: ZdsEvent): ZdsStep {
  switch (event.kind) {
    case 'connected':
      return {
        state: { ...state, phase: { kind: 'snapshot', named: new Set() }, pending: new Map() },
        actions: [...state.pending.keys()].map((uid) => ({ kind: 'forget', uid })),
      };
    case 'disconnected':
      return { state: { ...state, phase: { kind: 'disconnected' } }, actions: [] };
    case 'started':
      return started(state, event.placement, event.answer);
    case 'start-failed':
      return {
        state: { ...state, pending: withEntry(state.pending, event.placement.workload.uid, event.placement) },
        actions: answered(event.answer, `failure to start proxy : ${event.reason}`),
      };
    case 'retry-due':
      return {
        state,
        actions: [...state.pending.values()].map((placement) => ({ kind: 'start', placement, answer: 'none' })),
      };
    case 'request':
      return handleRequest(state, event.request, event.namespaces);
  }
}

function handleRequest(state: ZdsState, request: ZdsRequest, namespaces: readonly NamespaceIdentity[]): ZdsStep {
  const wanted = request.kind === 'add' ? 1 : 0;
  if (namespaces.length !== wanted) {
    const count = `expected ${wanted} descriptor${wanted === 1 ? '' : 's'} with ${request.kind}, got ${namespaces.length}`;
    return violation(state, `failure to read message : ${count}`);
  }
  switch (request.kind) {
    case 'add':
      return add(state, request, namespaces[0]);
    case 'keep':
      return keep(state, request.uid);
    case 'delete':
      return remove(state, request.uid);
    case 'snapshot-sent':
      return endSnapshot(state);
  }
}

function add(
  state: ZdsState,
  { uid, info }: Extract<ZdsRequest, { kind: 'add' }>,
  namespace: NamespaceIdentity | undefined,
): ZdsStep {
  if (info === undefined || namespace === undefined) {
    return violation(state, `failure to process message : pod ${uid} came without workload info`);
  }
  const phase = naming(state.phase, uid);
  const forgotten: ZdsAction[] = state.pending.has(uid) ? [{ kind: 'forget', uid }] : [];
  const pending = without(state.pending, uid);
  const current = state.running.get(uid);
  if (current === namespace) return { state: { ...state, phase, pending }, actions: [...forgotten, acknowledged] };
  const stopped: ZdsAction[] = current === undefined ? [] : [{ kind: 'stop', uid }];
  const placement = { workload: { uid, ...info }, namespace };
  return {
    state: { phase, pending, running: without(state.running, uid) },
    actions: [...forgotten, ...stopped, { kind: 'start', placement, answer: 'expected' }],
  };
}

function started(state: ZdsState, { workload, namespace }: Placement, answer: ZdsAnswer): ZdsStep {
  return {
    state: {
      ...state,
      running: withEntry(state.running, workload.uid, namespace),
      pending: without(state.pending, workload.uid),
    },
    actions: answered(answer, undefined),
  };
}

function keep(state: ZdsState, uid: string): ZdsStep {
  if (state.phase.kind !== 'snapshot') {
    return violation(state, `failure to process message : pod ${uid} is to be kept, but the snapshot is over`);
  }
  return { state: { ...state, phase: naming(state.phase, uid) }, actions: [acknowledged] };
}

function remove(state: ZdsState, uid: string): ZdsStep {
  const forgotten: ZdsAction[] = state.pending.has(uid) ? [{ kind: 'forget', uid }] : [];
  const pending = without(state.pending, uid);
  if (state.phase.kind === 'snapshot') {
    // What runs is stopped when the snapshot ends and has not named it.
    const named = new Set([...state.phase.named].filter((other) => other !== uid));
    return { state: { ...state, pending, phase: { kind: 'snapshot', named } }, actions: [...forgotten, acknowledged] };
  }
  const stopped: ZdsAction[] = state.running.has(uid) ? [{ kind: 'stop', uid }] : [];
  return {
    state: { ...state, pending, running: without(state.running, uid) },
    actions: [...forgotten, ...stopped, acknowledged],
  };
}

function endSnapshot(state: ZdsState): ZdsStep {
  const { phase, running } = state;
  if (phase.kind !== 'snapshot') {
    return violation(state, 'failure to process message : the snapshot ended a second time');
  }
  const gone = [...running.keys()].filter((uid) => !phase.named.has(uid));
  const left = new Map([...running].filter(([uid]) => phase.named.has(uid)));
  return {
    state: { ...state, phase: { kind: 'live' }, running: left },
    actions: [...gone.map((uid): ZdsAction => ({ kind: 'stop', uid })), acknowledged],
  };
}

function violation(state: ZdsState, error: string): ZdsStep {
  return { state, actions: [{ kind: 'disconnect', error }] };
}

function answered(answer: ZdsAnswer, error: string | undefined): readonly ZdsAction[] {
  return answer === 'expected' ? [{ kind: 'acknowledge', error }] : [];
}

function naming(phase: ZdsPhase, uid: string): ZdsPhase {
  return phase.kind === 'snapshot' ? { kind: 'snapshot', named: new Set([...phase.named, uid]) } : phase;
}

function withEntry<V>(map: ReadonlyMap<string, V>, key: string, value: V): ReadonlyMap<string, V> {
  return new Map(map).set(key, value);
}

function without<V>(map: ReadonlyMap<string, V>, key: string): ReadonlyMap<string, V> {
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}
