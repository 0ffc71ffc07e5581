import t from 'tap';
import { authorizeRequest, type TokenHolder } from '../../../common/ca/authorize-request.ts';
import { identityOf } from '../../../common/identity/identity.ts';

const client = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'client' });
const other = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'other' });
const tokens = new Map<string, TokenHolder>([
  ['node-token', { kind: 'node', name: 'laptop', identities: new Set([client.uri, 'not-spiffe']) }],
  ['own-token', { kind: 'workload', identity: client }],
]);
const ask = (token: string | undefined, impersonated?: string, requested = '') =>
  authorizeRequest(tokens, { token, impersonated, requested });

t.test('a node', async (t) => {
  const permit = { kind: 'permit', identity: client };
  t.same(ask('node-token', client.uri), permit, 'gets the identity of a workload that runs on it');
  t.same(ask('node-token', client.uri, client.uri), permit, 'may repeat it in the signing request');
  t.match(ask('node-token', other.uri), { kind: 'deny', fault: 'forbidden', reason: /no workload of node laptop/ });
  t.match(
    ask('node-token'),
    { kind: 'deny', fault: 'forbidden', reason: /ImpersonatedIdentity/ },
    'has none of its own',
  );
  t.match(ask('node-token', client.uri, other.uri), {
    kind: 'deny',
    fault: 'malformed',
    reason: /signing request names/,
  });
  t.match(ask('node-token', 'not-spiffe'), { kind: 'deny', fault: 'malformed', reason: /no SPIFFE id/ });
});

t.test('a workload', async (t) => {
  const permit = { kind: 'permit', identity: client };
  t.same(ask('own-token'), permit, 'gets its own identity');
  t.same(ask('own-token', client.uri, client.uri), permit, 'may name it');
  const denied = { kind: 'deny', fault: 'forbidden', reason: /for that identity only, not for .*other/ };
  t.match(ask('own-token', other.uri), denied, 'gets no other by impersonation');
  t.match(ask('own-token', undefined, other.uri), denied, 'nor by its signing request');
});

t.test('nobody else gets a certificate', async (t) => {
  t.match(ask(undefined), { kind: 'deny', fault: 'unauthenticated', reason: /no token/ });
  t.match(ask('stolen'), { kind: 'deny', fault: 'unauthenticated', reason: /not one that this mesh gave out/ });
});
