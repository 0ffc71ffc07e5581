// The delta xDS protocol without a stream: what is asked first, what a response does, how it is answered, and what a new
// stream is told of what is held.
import t from 'tap';
import { createMeshIndex, type MeshIndex } from '../../../common/mesh/mesh-index.ts';
import { authorizationTypeUrl } from '../../../common/xds/authorization-codec.ts';
import { createDeltaSession, type DeltaSession, type Received, type Step } from '../../../common/xds/delta-session.ts';
import { describeNode } from '../../../common/xds/node-metadata.ts';
import { addressType, authorizationType } from '../../../common/xds/resource-type.ts';
import { addressTypeUrl } from '../../../common/xds/workload-codec.ts';
import { aPolicy, aService, aWorkload } from '../../support/mesh-objects.ts';
import {
  encodePolicy,
  encodeRaw,
  encodeResponse,
  encodeService,
  encodeWorkload,
  readRequest,
  type SentResource,
  type SentResponse,
} from '../../support/wds-messages.ts';

const node = describeNode({
  ...{ instanceIp: '10.0.0.9', podName: 'zt', podNamespace: 'istio-system', nodeName: 'n1' },
  metadata: { CLUSTER_ID: 'c', LIST: [1, true, null, { deep: 'x' }] },
});

interface Held {
  readonly session: DeltaSession;
  readonly mesh: MeshIndex;
  receive(response: SentResponse): Received & {
    readonly request: ReturnType<typeof readRequest>;
  };
  begin(): readonly ReturnType<typeof readRequest>[];
}

function hold(onDemand?: typeof addressType): Held {
  const session = createDeltaSession({ node, types: [addressType, authorizationType], onDemand });
  const mesh = createMeshIndex();
  const run = <T>(work: Generator<Step, T>): T => {
    for (;;) {
      const next = work.next();
      if (next.done === true) return next.value;
      if (next.value !== undefined) mesh.apply(next.value);
    }
  };
  return {
    session,
    mesh,
    receive(response) {
      const received = run(session.receive([encodeResponse(response)]));
      return { ...received, request: readRequest(received.answer) };
    },
    begin: () => run(session.begin()).map((bytes) => readRequest(bytes)),
  };
}

const sent = (name: string, version = '1', policies: readonly string[] = []): SentResource => {
  const workload = aWorkload({ name, authorizationPolicies: policies });
  return { name: workload.uid, version, value: encodeWorkload(workload) };
};
const sentPolicy = (name: string): SentResource => ({
  name: `default/${name}`,
  value: encodePolicy(aPolicy({ name, scope: 'workload-selector' })),
});
const names = ({ mesh }: Held): readonly string[] => [...mesh.workloads()].map(({ name }) => name);
const policies = ({ mesh }: Held): readonly string[] => [...mesh.policies()].map(({ name }) => name);

t.test('the first requests name the node, and want all addresses, then all policies', async (t) => {
  const requests = hold().begin();
  t.same(
    requests.map(({ typeUrl }) => typeUrl),
    [addressTypeUrl, authorizationTypeUrl],
  );
  for (const request of requests) {
    t.equal(request.node?.id, 'ztunnel~10.0.0.9~zt.istio-system~istio-system.svc.cluster.local');
    t.match(request.node?.metadata, {
      fields: {
        NAME: { stringValue: 'zt' },
        NAMESPACE: { stringValue: 'istio-system' },
        INSTANCE_IPS: { stringValue: '10.0.0.9' },
        NODE_NAME: { stringValue: 'n1' },
        LIST: {
          listValue: {
            values: [
              { numberValue: 1 },
              { boolValue: true },
              { nullValue: 0 },
              { structValue: { fields: { deep: { stringValue: 'x' } } } },
            ],
          },
        },
      },
    });
    t.notOk(request.subscribe);
    t.notOk(request.initialResourceVersions);
  }
});

t.test('a response is applied and acknowledged by its nonce', async (t) => {
  const held = hold();
  held.begin();
  const received = held.receive({ nonce: 'n1', resources: [sent('a'), sent('b')] });
  t.same(names(held), ['a', 'b']);
  t.same(received.request, { typeUrl: addressTypeUrl, responseNonce: 'n1' });
  t.match(received, { resources: 2, removed: 0, sync: 'waiting' });
  const last = held.receive({ typeUrl: authorizationTypeUrl, nonce: 'n2' });
  t.equal(last.sync, 'complete', 'once each type has been acknowledged');
});

t.test('what is removed in a response goes after what is updated in it', async (t) => {
  const held = hold();
  held.begin();
  const service = aService({ name: 'web' });
  const named = { name: 'default/web.default.svc.cluster.local', version: '1', value: encodeService(service) };
  held.receive({ nonce: '1', resources: [sent('a'), sent('b'), named] });
  const removed = ['Kubernetes//Pod/default/b', named.name, 'never/heard/of'];
  held.receive({ nonce: '2', resources: [sent('b', '2')], removed });
  t.same(names(held), ['a']);
  t.same([...held.mesh.services()], []);
});

t.test('a bad resource is refused by name, the good ones count, and what it was before stays', async (t) => {
  const held = hold();
  held.begin();
  held.receive({ nonce: '1', resources: [sent('a', '1')] });
  const poison = { name: 'Kubernetes//Pod/default/a', version: '2', value: Buffer.from([0xff]) };
  const newer = encodeRaw('Address', { workload: { uid: 'l', tunnelProtocol: 3 } });
  const received = held.receive({
    nonce: '2',
    resources: [poison, sent('b'), { name: 'l', value: newer }, { name: 'huge', value: Buffer.alloc(3_000_000) }],
  });
  t.same(names(held), ['a', 'b']);
  t.match(received.request, { responseNonce: '2', errorDetail: { message: /default\/a: .*; l: tunnel_protocol 3 / } });
  t.match(received.request.errorDetail?.message, /huge: it has 3\d+ bytes, more than 2097152/);
  t.equal(received.rejected.length, 3);
  t.equal(received.sync, 'waiting', 'a refusal is no acknowledgement');
  const [again] = held.begin();
  t.match(again?.initialResourceVersions, { 'Kubernetes//Pod/default/a': '1' }, 'nor a version that is held');
  const many = Array.from({ length: 500 }, (_, index) => ({ ...poison, name: `bad-${index}` }));
  const message = held.receive({ nonce: '3', resources: many }).request.errorDetail?.message ?? '';
  t.match(message, /and 480 more$/);
  t.ok(message.length < 10_000);
});

t.test('a new stream is told the versions that are held, so that only the difference comes', async (t) => {
  const held = hold();
  held.begin();
  held.receive({ nonce: '1', resources: [sent('a', '7'), sent('b', '8'), sent('c', '9')] });
  held.receive({ nonce: '2', resources: [sent('b', '10')], removed: ['Kubernetes//Pod/default/c'] });
  const [addresses] = held.begin();
  t.same(addresses?.initialResourceVersions, { 'Kubernetes//Pod/default/a': '7', 'Kubernetes//Pod/default/b': '10' });
  held.receive({ nonce: '3' });
  t.same(names(held), ['a', 'b'], 'what is not sent again stays');
});

t.test('resources without a version are gone when a new stream begins without them', async (t) => {
  const held = hold();
  held.begin();
  held.receive({ typeUrl: authorizationTypeUrl, nonce: '1', resources: [sentPolicy('p'), sentPolicy('q')] });
  const [, authorizations] = held.begin();
  t.notOk(authorizations?.initialResourceVersions, 'so that the server sends them all');
  t.same(policies(held), ['p', 'q'], 'all stay until it has');
  const broken = { name: 'default/q', value: Buffer.from([0xff]) };
  held.receive({ typeUrl: authorizationTypeUrl, nonce: '2', resources: [broken] });
  t.same(policies(held), ['q'], 'a broken one is there all the same');
  held.receive({ typeUrl: authorizationTypeUrl, nonce: '3', resources: [sentPolicy('r')] });
  t.same(policies(held), ['q', 'r'], 'later responses are differences');
});

t.test(
  'versions that an istiod would not take in one request stay untold, and what they name is noticed all the same',
  async (t) => {
    const held = hold();
    held.begin();
    const value = encodeWorkload(aWorkload({ name: 'a' }));
    const long = 'x'.repeat(1000);
    const resources = Array.from({ length: 5_000 }, (_, index) => ({ name: `${index}-${long}`, version: '1', value }));
    held.receive({ nonce: '1', resources });
    const told = Object.keys(held.begin()[0]?.initialResourceVersions ?? {});
    t.ok(told.length > 2_500 && told.length < 3_500, `${told.length} of 5000 are told`);
    held.receive({ nonce: '2', resources: resources.slice(told.length, -1) });
    t.equal(held.session.held().get(addressTypeUrl), 4_999, 'the one that was neither told nor sent is gone');
  },
);

t.test('a workload that names a policy before it comes is closed until it does', async (t) => {
  const held = hold();
  held.begin();
  held.receive({ nonce: '1', resources: [sent('a', '1', ['default/p'])] });
  const [workload] = held.mesh.workloads();
  if (workload === undefined) throw new Error('it is not there');
  t.same(held.mesh.policiesFor(workload), { policies: [], unknown: ['default/p'] });
  held.receive({ typeUrl: authorizationTypeUrl, nonce: '2', resources: [sentPolicy('p')] });
  t.same(held.mesh.policiesFor(workload).unknown, []);
});

t.test('a resource under another name is followed by its name', async (t) => {
  const held = hold();
  held.begin();
  held.receive({ nonce: '1', resources: [{ ...sent('a'), name: 'odd' }] });
  t.same(names(held), ['a']);
  held.receive({ nonce: '2', resources: [{ ...sent('b'), name: 'odd' }] });
  t.same(names(held), ['b'], 'what it was before goes');
  held.receive({ nonce: '3', removed: ['odd'] });
  t.same(names(held), []);
});

t.test('a type nobody asked for is acknowledged and ignored; a response that is none is an error', async (t) => {
  const held = hold();
  held.begin();
  const received = held.receive({ typeUrl: 'type.googleapis.com/other', nonce: '1', resources: [sent('a')] });
  t.same(received.request, { typeUrl: 'type.googleapis.com/other', responseNonce: '1' });
  t.same(names(held), []);
  t.throws(() => [...held.session.receive([Buffer.from([0x12, 0xff])])], { code: 'RESOURCE_INVALID' });
});

t.test('a big response comes in small steps', async (t) => {
  const { session } = hold();
  const resources = Array.from({ length: 5_000 }, (_, index) => sent(`w${index}`));
  let workloads = 0;
  let steps = 0;
  for (const step of session.receive([encodeResponse({ nonce: '1', resources })])) {
    steps += 1;
    const count = step?.workloads.length ?? 0;
    t.ok(count <= 64 || t.fail(`${count} at once`));
    workloads += count;
  }
  t.equal(workloads, 5_000);
  t.ok(steps > 78);
});

t.test('of very many refusals the first are told, and the others counted', async (t) => {
  const held = hold();
  held.begin();
  const resources = Array.from({ length: 3_000 }, (_, index) => ({ name: `bad-${index}`, value: Buffer.from([0xff]) }));
  const { rejected, rejectedCount, request } = held.receive({ nonce: '1', resources });
  t.equal(rejectedCount, 3_000);
  t.equal(rejected.length, 20);
  t.match(request.errorDetail?.message, /^bad-0: .*; bad-19: .*; and 2980 more$/);
});

t.test('on demand', async (t) => {
  const named = (name: string, ...aliases: string[]): SentResource => ({ ...sent(name), aliases });
  const podName = (name: string) => `Kubernetes//Pod/default/${name}`;

  t.test('addresses are wanted by name only, policies all, and only these are waited for', async (t) => {
    const held = hold(addressType);
    const [addresses, authorizations] = held.begin();
    t.match(addresses, { typeUrl: addressTypeUrl, subscribe: ['*'], unsubscribe: ['*'] });
    t.notOk(authorizations?.subscribe);
    t.equal(held.receive({ typeUrl: authorizationTypeUrl, nonce: '1' }).sync, 'complete');
  });

  const asked = (request: Buffer | undefined) => (request === undefined ? undefined : readRequest(request));

  t.test('what was asked for by an address is found by its alias', async (t) => {
    const held = hold(addressType);
    held.begin();
    const first = asked(held.session.ask('/10.0.0.1'));
    t.same(first, { typeUrl: addressTypeUrl, subscribe: ['/10.0.0.1', 'ambientd/request-1'] });
    const received = held.receive({ nonce: '1', resources: [named('a', '/10.0.0.1'), named('b')] });
    t.same(received.told, [{ name: '/10.0.0.1', kind: 'found' }]);
    t.same(names(held), ['a', 'b'], 'with what the server adds');
    t.same(held.receive({ nonce: '2', resources: [named('a', '/10.0.0.1')] }).told, [], 'told once');
  });

  t.test('what is not there is told as absent', async (t) => {
    const held = hold(addressType);
    held.begin();
    held.session.ask('/1.1.1.1');
    const received = held.receive({ nonce: '1', removed: ['/1.1.1.1', 'ambientd/request-1'] });
    t.same(received.told, [{ name: '/1.1.1.1', kind: 'absent' }]);
  });

  t.test('each request is news to the server, and leaves what is not needed any more', async (t) => {
    const held = hold(addressType);
    held.begin();
    held.session.ask('/1.1.1.1');
    held.receive({ nonce: '1', removed: ['/1.1.1.1', 'ambientd/request-1'] });
    t.same(asked(held.session.ask('/10.0.0.1')), {
      typeUrl: addressTypeUrl,
      subscribe: ['/10.0.0.1', 'ambientd/request-2'],
      unsubscribe: ['ambientd/request-1', '/1.1.1.1'],
    });
    held.receive({ nonce: '2', resources: [named('a', '/10.0.0.1')], removed: ['ambientd/request-2'] });
    t.same(asked(held.session.ask('/10.0.0.1')), {
      typeUrl: addressTypeUrl,
      subscribe: ['/10.0.0.1', 'ambientd/request-3'],
      unsubscribe: ['ambientd/request-2'],
    });
    held.receive({ nonce: '3', resources: [named('a', '/10.0.0.1')] });
    held.receive({ nonce: '4', removed: [podName('a')] });
    held.session.ask('/10.0.0.2');
    held.session.giveUp('/10.0.0.2');
    const { unsubscribe = [] } = asked(held.session.ask('/10.0.0.3')) ?? {};
    t.same([...unsubscribe].sort(), ['/10.0.0.2', 'ambientd/request-4'], 'what has gone, and what was given up');
  });

  t.test(
    'a new stream is told all that is held, whatever its version, and asked again for what was not told',
    async (t) => {
      const held = hold(addressType);
      held.begin();
      for (const name of ['/10.0.0.1', '/10.0.0.2', '/10.0.0.3']) held.session.ask(name);
      held.session.giveUp('/10.0.0.3');
      held.receive({ nonce: '1', resources: [{ ...named('a', '/10.0.0.1'), version: '' }] });
      const [addresses] = held.begin();
      t.same(addresses?.initialResourceVersions, { [podName('a')]: '' });
      const again = asked(held.session.askAgain());
      t.same(again, { typeUrl: addressTypeUrl, subscribe: ['/10.0.0.2', 'ambientd/request-1'] });
      held.receive({ nonce: '2', removed: [podName('a'), '/10.0.0.2'] });
      t.same(names(held), [], 'what went meanwhile is noticed');
      t.equal(held.session.askAgain(), undefined);
    },
  );
});
