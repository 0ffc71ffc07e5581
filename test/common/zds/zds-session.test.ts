import t from 'tap';
import type { NamespaceIdentity } from '../../../common/net/network-namespace-socket.ts';
import {
  advanceZds,
  initialZdsState,
  isReady,
  type ZdsAction,
  type ZdsEvent,
  type ZdsState,
} from '../../../common/zds/zds-session.ts';

const nsA = '4:100' as NamespaceIdentity;
const nsB = '4:200' as NamespaceIdentity;
const info = { name: 'web', namespace: 'shop', serviceAccount: 'web' };

const connected: ZdsEvent = { kind: 'connected' };
const add = (uid: string, namespace: NamespaceIdentity): ZdsEvent => ({
  kind: 'request',
  request: { kind: 'add', uid, info },
  namespaces: [namespace],
});
const say = (kind: 'keep' | 'delete', uid: string): ZdsEvent => ({
  kind: 'request',
  request: { kind, uid },
  namespaces: [],
});
const snapshotSent: ZdsEvent = { kind: 'request', request: { kind: 'snapshot-sent' }, namespaces: [] };

/** Plays events; starts succeed unless their uid is in `failing`. */
function play(events: readonly ZdsEvent[], from = initialZdsState, failing: readonly string[] = []) {
  let state: ZdsState = from;
  const said: string[] = [];
  const step = (event: ZdsEvent): void => {
    const result = advanceZds(state, event);
    state = result.state;
    for (const action of result.actions) {
      said.push(nameOf(action));
      if (action.kind !== 'start') continue;
      const { placement, answer } = action;
      const fails = failing.includes(placement.workload.uid);
      step(
        fails ? { kind: 'start-failed', placement, answer, reason: 'busy' } : { kind: 'started', placement, answer },
      );
    }
  };
  for (const event of events) step(event);
  return { state, said };
}

function nameOf(action: ZdsAction): string {
  if (action.kind === 'start') return `start ${action.placement.workload.uid}`;
  if (action.kind === 'stop' || action.kind === 'forget') return `${action.kind} ${action.uid}`;
  if (action.kind === 'disconnect') return `disconnect: ${action.error}`;
  return action.error === undefined ? 'ack' : `nack: ${action.error}`;
}

t.test('a pod of the snapshot', async (t) => {
  const { state, said } = play([connected, add('u1', nsA), snapshotSent]);
  t.same(said, ['start u1', 'ack', 'ack'], 'is started at once, before the snapshot ends');
  t.equal(isReady(state), true);
});

t.test('readiness', async (t) => {
  t.equal(isReady(play([]).state), false, 'is not there without an agent');
  t.equal(isReady(play([connected, add('u1', nsA)]).state), false, 'is not there before the snapshot');
  const failed = play([connected, add('u1', nsA), snapshotSent], initialZdsState, ['u1']);
  t.equal(isReady(failed.state), false, 'is not there while a pod is not served');
  t.equal(isReady(play([{ kind: 'retry-due' }], failed.state).state), true, 'comes when it is');
  t.equal(isReady(play([connected, snapshotSent, { kind: 'disconnected' }]).state), false, 'ends with the agent');
});

t.test('the same pod added again', async (t) => {
  const { state } = play([connected, add('u1', nsA), snapshotSent]);
  t.same(play([add('u1', nsA)], state).said, ['ack'], 'is left running in the same namespace');
  t.same(play([add('u1', nsB)], state).said, ['stop u1', 'start u1', 'ack'], 'moves to another namespace');
});

t.test('a pod that cannot be started', async (t) => {
  const { state, said } = play([connected, add('u1', nsA), snapshotSent], initialZdsState, ['u1']);
  t.same(said, ['start u1', 'nack: failure to start proxy : busy', 'ack'], 'is refused with the reason');
  t.same(play([{ kind: 'retry-due' }], state).said, ['start u1'], 'is tried again, which the agent does not hear of');
  t.same(play([add('u1', nsB)], state).said, ['forget u1', 'start u1', 'ack'], 'is replaced when it comes again');
  t.same(play([say('delete', 'u1')], state).said, ['forget u1', 'ack'], 'is forgotten when it is deleted');
  t.same(play([{ kind: 'disconnected' }, connected], state).said, ['forget u1'], 'is forgotten with a new agent');
});

t.test('after a reconnect', async (t) => {
  const { state } = play([connected, add('u1', nsA), add('u2', nsB), snapshotSent, { kind: 'disconnected' }]);
  t.same([...state.running.keys()], ['u1', 'u2'], 'pods keep running');
  const { said, state: after } = play([connected, say('keep', 'u2'), snapshotSent], state);
  t.same(said, ['ack', 'stop u1', 'ack'], 'what the new snapshot does not name is stopped, what it keeps is not');
  t.same([...after.running.keys()], ['u2']);
});

t.test('a deletion', async (t) => {
  const { state } = play([connected, add('u1', nsA), snapshotSent]);
  t.same(play([say('delete', 'u1')], state).said, ['stop u1', 'ack'], 'stops the pod');
  t.same(play([say('delete', 'u9')], state).said, ['ack'], 'of an unknown pod is no error');
  const early = play([connected, say('delete', 'u1')], state);
  t.same(early.said, ['ack'], 'before the end of the snapshot is acknowledged');
  t.same(play([snapshotSent], early.state).said, ['stop u1', 'ack'], 'and done at its end');
});

t.test('breaches of the protocol end the connection and leave the pods running', async (t) => {
  const { state } = play([connected, add('u1', nsA), snapshotSent]);
  const breach = (event: ZdsEvent): string[] => {
    const result = play([event], state);
    t.same([...result.state.running.keys()], ['u1']);
    return result.said;
  };
  t.match(breach(snapshotSent), [/^disconnect: failure to process message : /]);
  t.match(breach(say('keep', 'u1')), [/^disconnect: failure to process message : /]);
  const bare: ZdsEvent = { kind: 'request', request: { kind: 'add', uid: 'u2', info: undefined }, namespaces: [nsB] };
  t.match(breach(bare), [/^disconnect: failure to process message : .*u2 came without workload info/]);
  t.match(breach({ ...bare, namespaces: [] }), [/expected 1 descriptor with add, got 0/]);
  t.match(breach({ ...bare, namespaces: [nsA, nsB] }), [/expected 1 descriptor with add, got 2/]);
  t.match(breach({ ...snapshotSent, namespaces: [nsA] }), [/expected 0 descriptors with snapshot-sent, got 1/]);
});
