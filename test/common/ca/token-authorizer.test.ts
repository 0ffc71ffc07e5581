import t from 'tap';
import type { NodePod } from '../../../common/ca/authorize-caller.ts';
import { type ClusterFacts, createTokenAuthorizer } from '../../../common/ca/token-authorizer.ts';
import { MeshError } from '../../../common/errors.ts';

const wanted = 'spiffe://cluster.local/ns/shop/sa/web';
const ztunnelPod: NodePod = {
  namespace: 'istio-system',
  name: 'zt',
  uid: 'u-1',
  serviceAccount: 'ztunnel',
  phase: 'Running',
};
const webPod: NodePod = { namespace: 'shop', name: 'web', uid: 'u-2', serviceAccount: 'web', phase: 'Running' };
const ask = (token: string | undefined) => ({ token, requested: wanted, impersonated: wanted });

t.test('a request without a token is refused before anybody is asked', async (t) => {
  const { authorize, calls } = setUp();
  t.match(await authorize(ask(undefined)), { fault: 'unauthenticated', reason: /no token/ });
  t.match(await authorize(ask('x'.repeat(20_000))), { fault: 'unauthenticated', reason: /20000 bytes/ });
  t.same(calls, []);
});

t.test("a node's proxy gets what runs on its node", async (t) => {
  const { authorize, calls } = setUp();
  t.match(await authorize(ask('node')), { kind: 'permit', identity: { uri: wanted } });
  t.same(calls, ['review', 'pods node-a']);
  await authorize(ask('node'));
  t.equal(calls.length, 2, 'and the next request soon after asks nobody');
});

t.test('the node is looked up where the token does not tell it', async (t) => {
  const { authorize, calls } = setUp();
  t.match(await authorize(ask('older')), { kind: 'permit' });
  t.same(calls, ['review', 'node of istio-system/zt', 'pods node-a']);
});

t.test('a pod that is newer than the list is found', async (t) => {
  const { authorize, pods, calls } = setUp([ztunnelPod]);
  t.match(await authorize(ask('node')), { kind: 'deny', fault: 'forbidden' });
  pods.push(webPod);
  t.match(await authorize(ask('node')), { kind: 'permit' });
  t.equal(calls.filter((call) => call === 'pods node-a').length, 3);
});

t.test('a refused token is asked for again each time', async (t) => {
  const { authorize, calls } = setUp();
  for (let tries = 0; tries < 2; tries += 1) {
    t.match(await authorize(ask('bad')), { fault: 'unauthenticated', reason: 'unknown' });
  }
  t.same(calls, ['review', 'review']);
});

t.test('while the API server does not answer', async (t) => {
  const { authorize, outage, at } = setUp();
  await authorize(ask('node'));
  outage('begins');
  at(30_000);
  t.match(await authorize(ask('node')), { kind: 'permit' }, 'those it knew shortly before are served');
  t.match(
    await authorize(ask('older')),
    { fault: 'unavailable', reason: /cannot tell who asks: no answer/ },
    'not others',
  );
  at(60_000);
  t.match(await authorize(ask('node')), { fault: 'unavailable' }, 'and nobody for long');
  outage('ends');
  t.match(await authorize(ask('node')), { kind: 'permit' }, 'until it answers again');
});

t.test('a flood of tokens is not passed on to the API server', async (t) => {
  const { authorize, calls } = setUp();
  const verdicts = await Promise.all(Array.from({ length: 200 }, (_, index) => authorize(ask(`made-up-${index}`))));
  const turnedAway = verdicts.filter((verdict) => verdict.kind === 'deny' && verdict.fault === 'unavailable');
  t.equal(turnedAway.length, 72);
  t.match(turnedAway[0], { reason: /128 tokens are being reviewed already; try again/ });
  t.equal(calls.filter((call) => call === 'review').length, 128);
  t.match(await authorize(ask('made-up-0')), { kind: 'permit' }, 'and what comes later is looked at');
});

t.test('a remembered token ends when it says so', async (t) => {
  const { authorize, at, outage } = setUp();
  const claims = Buffer.from(JSON.stringify({ exp: 5 })).toString('base64url');
  const token = `node.${claims}.x`;
  t.match(await authorize(ask(token)), { kind: 'permit' });
  outage('begins');
  at(4_999);
  t.match(await authorize(ask(token)), { kind: 'permit' });
  at(5_000);
  t.match(await authorize(ask(token)), { fault: 'unavailable' });
});

function setUp(pods: NodePod[] = [ztunnelPod, webPod]) {
  const calls: string[] = [];
  let nowMs = 0;
  let reachable = true;
  const asked = (call: string): void => {
    if (!reachable) throw new MeshError('IO_FAILED', 'no answer from the API server');
    calls.push(call);
  };
  const facts: ClusterFacts = {
    async reviewToken(token) {
      asked('review');
      if (token === 'bad') return { kind: 'refused', reason: 'unknown' };
      const pod = { name: 'zt', uid: 'u-1', node: token === 'older' ? undefined : 'node-a' };
      return { kind: 'caller', caller: { namespace: 'istio-system', serviceAccount: 'ztunnel', pod } };
    },
    async nodeOfPod(namespace, name) {
      asked(`node of ${namespace}/${name}`);
      return 'node-a';
    },
    async podsOfNode(node) {
      asked(`pods ${node}`);
      return [...pods];
    },
  };
  const authorize = createTokenAuthorizer({
    facts,
    rules: { trustDomain: 'cluster.local', trustedNodeAccounts: new Set(['istio-system/ztunnel']) },
    audiences: ['istio-ca'],
    now: () => nowMs,
  });
  return {
    authorize,
    calls,
    pods,
    at: (ms: number) => void (nowMs = ms),
    outage: (change: 'begins' | 'ends') => void (reachable = change === 'ends'),
  };
}
