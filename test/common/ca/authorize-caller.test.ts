import t from 'tap';
import { authorizeCaller, authorizeOnNode, type NodePod } from '../../../common/ca/authorize-caller.ts';
import { parseIdentity } from '../../../common/identity/identity.ts';

const rules = { trustDomain: 'cluster.local', trustedNodeAccounts: new Set(['istio-system/ztunnel']) };
const ztunnelPod = { name: 'ztunnel-abcde', uid: 'u-1', node: 'node-a' };
const ztunnel = { namespace: 'istio-system', serviceAccount: 'ztunnel', pod: ztunnelPod };
const web = { namespace: 'shop', serviceAccount: 'web', pod: undefined };
const idOf = (namespace: string, account: string) => `spiffe://cluster.local/ns/${namespace}/sa/${account}`;
const asks = (requested: string, impersonated?: string) => ({ token: 'secret', requested, impersonated });

t.test('a service account gets its own identity', async (t) => {
  const own = idOf('shop', 'web');
  for (const ask of [asks(own), asks(''), asks(own, own)]) {
    t.match(authorizeCaller(web, ask, rules), { kind: 'permit', identity: { uri: own } });
  }
});

t.test('and no other', async (t) => {
  const other = idOf('shop', 'db');
  t.match(authorizeCaller(web, asks(other), rules), { fault: 'forbidden', reason: /web is good for that .*sa\/db/ });
  t.match(authorizeCaller(web, asks(other, other), rules), {
    fault: 'forbidden',
    reason:
      /shop\/web may ask for .* only, not for .*sa\/db: it is no trusted node account \(.*istio-system\/ztunnel\)/,
  });
});

t.test("a node's proxy", async (t) => {
  const wanted = idOf('shop', 'web');
  t.match(
    authorizeCaller(ztunnel, asks(wanted, wanted), rules),
    { kind: 'ask-node', question: { pod: ztunnelPod, identity: { uri: wanted } } },
    'is asked for its node',
  );
  t.match(
    authorizeCaller(ztunnel, asks(idOf('istio-system', 'ztunnel')), rules),
    { kind: 'permit' },
    'gets its own identity as anybody does',
  );
  t.match(authorizeCaller({ ...ztunnel, pod: undefined }, asks(wanted, wanted), rules), {
    fault: 'forbidden',
    reason: /bound to no pod/,
  });
  t.match(authorizeCaller(ztunnel, asks(idOf('a', 'b'), wanted), rules), {
    fault: 'malformed',
    reason: /names .*a\/sa\/b, but Imp/,
  });
  t.match(authorizeCaller(ztunnel, asks('', 'spiffe://x'), rules), {
    fault: 'malformed',
    reason: /spiffe:\/\/x is no/,
  });
  const foreign = 'spiffe://elsewhere/ns/shop/sa/web';
  t.match(authorizeCaller(ztunnel, asks(foreign, foreign), rules), { fault: 'forbidden', reason: /cluster\.local/ });
});

t.test('on the node', async (t) => {
  const identity = parseIdentity(idOf('shop', 'web'));
  if (identity === undefined) throw new Error('no identity');
  const question = { caller: ztunnel, pod: ztunnelPod, identity };
  const pod = (namespace: string, serviceAccount: string, changes: Partial<NodePod> = {}): NodePod => ({
    namespace,
    serviceAccount,
    name: `${serviceAccount}-abcde`,
    uid: 'u-2',
    phase: 'Running',
    ...changes,
  });
  const own = pod('istio-system', 'ztunnel', { uid: 'u-1' });
  const on = (...pods: NodePod[]) => authorizeOnNode(question, 'node-a', pods);

  t.match(on(own, pod('shop', 'web')), { kind: 'permit', identity }, 'a pod of that identity is enough');
  t.match(on(own, pod('shop', 'web', { phase: 'Pending' })), { kind: 'permit' }, 'also one that starts');
  for (const ended of ['Failed', 'Succeeded']) {
    t.match(on(own, pod('shop', 'web', { phase: ended })), {
      fault: 'forbidden',
      reason: /no pod of node node-a runs/,
    });
  }
  t.match(on(own, pod('shop', 'db'), pod('other', 'web')), { fault: 'forbidden', reason: /runs as spiffe:.*shop/ });
  t.match(on(pod('shop', 'web')), { reason: /ztunnel-abcde \(u-1\) .* does not run on node node-a/ });
  t.match(on({ ...own, uid: 'u-9' }, pod('shop', 'web')), { reason: /does not run/ }, 'its namesake is another');
  t.match(on({ ...own, serviceAccount: 'cni' }, pod('shop', 'web')), {
    reason: /runs as cni, the token is of ztunnel/,
  });
  t.match(authorizeOnNode(question, undefined, []), { fault: 'forbidden', reason: /is on no node/ });
});
